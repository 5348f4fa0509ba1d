#include "collector/enrich/uts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <system_error>
#include <thread>

#include "collector/enrich/text.h"

namespace huatuo {
namespace {

void ReadIn(int space, std::optional<std::string>& name) {
  utsname names{};
  if (setns(space, CLONE_NEWUTS) == 0 && uname(&names) == 0) name = SafeText(names.nodename);
}

}  // namespace

std::optional<std::string> UtsName(const Root& root, pid_t pid) {
  const std::string path = root.Path("/proc/" + std::to_string(pid) + "/ns/uts");
  const int space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (space < 0) return std::nullopt;
  std::optional<std::string> name;
  try {
    // setns changes the calling thread only, and the way back might be refused.
    std::thread(ReadIn, space, std::ref(name)).join();
  } catch (const std::system_error&) {
    name.reset();
  }
  close(space);
  return name;
}

}  // namespace huatuo
