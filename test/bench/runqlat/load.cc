#include "test/bench/runqlat/load.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <string>

namespace huatuo {
namespace {

[[noreturn]] void Bounce(int from, int to) {
  char byte = 0;
  while (write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1) {
  }
  _exit(0);
}

[[noreturn]] void Burn() {
  std::atomic<uint64_t> spins = 0;
  while (true) {
    spins.fetch_add(1, std::memory_order_relaxed);
  }
}

template <typename Body>
int Fork(Body body) {
  const int pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
  }
  return pid;
}

}  // namespace

Load::Load(int pairs, int burners) {
  for (int i = 0; i < pairs; i++) {
    int there[2];
    int back[2];
    if (pipe(there) != 0 || pipe(back) != 0) {
      return;
    }
    children_.push_back(Fork([&] { Bounce(back[0], there[1]); }));
    children_.push_back(Fork([&] { Bounce(there[0], back[1]); }));
    for (const int fd : {there[0], there[1], back[0], back[1]}) {
      close(fd);
    }
  }
  for (int i = 0; i < burners; i++) {
    children_.push_back(Fork([] { Burn(); }));
  }
}

Load::~Load() {
  for (const int child : children_) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
}

uint64_t ContextSwitches() {
  std::ifstream stat("/proc/stat");
  for (std::string word; stat >> word;) {
    if (word == "ctxt") {
      uint64_t count = 0;
      stat >> count;
      return count;
    }
  }
  return 0;
}

}  // namespace huatuo
