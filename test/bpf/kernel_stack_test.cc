// Stacks from memory (bpf/kernel_stack.bpf.h), each beside what the kernel's unwinder says.
#include "test/bpf/kernel_stack.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernel_stack.skel.h"
#include "test/bpf/own_network.h"

namespace huatuo {
namespace {

constexpr int kRounds = 400;
constexpr int kPerRound = 10;

struct CloseSkeleton {
  void operator()(kernel_stack_bpf* skeleton) const { kernel_stack_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<kernel_stack_bpf, CloseSkeleton>;

// Null where the program cannot be used.
Skeleton Attach(const char* program) {
  Skeleton skeleton(kernel_stack_bpf__open());
  bpf_program* each = nullptr;
  bpf_object__for_each_program(each, skeleton->obj) {
    bpf_program__set_autoload(each, strcmp(bpf_program__name(each), program) == 0);
  }
  if (kernel_stack_bpf__load(skeleton.get()) == 0 && kernel_stack_bpf__attach(skeleton.get()) == 0)
    return skeleton;
  fmt::print("skipped: {}: not on this kernel\n", program);
  return nullptr;
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// More than its reader, who does not read, has room for.
void Overflow() {
  const int reader = socket(AF_INET, SOCK_DGRAM, 0);
  const int writer = socket(AF_INET, SOCK_DGRAM, 0);
  const int room = 1;
  const std::array<char, 4000> payload{};
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  setsockopt(reader, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
  bind(reader, any, length);
  getsockname(reader, any, &length);
  connect(writer, any, length);
  for (int i = 0; i < kPerRound; ++i) (void)!write(writer, payload.data(), payload.size());
  close(writer);
  close(reader);
}

// Nobody reads it before both ends are closed.
void Leave() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends.data()) != 0) return;
  for (int i = 0; i < kPerRound; ++i) (void)!write(ends[0], "x", 1);
  close(ends[0]);
  close(ends[1]);
}

// Drops by different ways into the kernel and within it, some at the same time.
bool DropInOwnNetwork() {
  std::atomic<bool> entered{true};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      if (EnterOwnNetwork() == 0) {
        entered = false;
        return;
      }
      for (int i = 0; i < kRounds; ++i) {
        Send(AF_INET, SOCK_DGRAM, kPerRound);
        Send(AF_INET6, SOCK_DGRAM, kPerRound);
        Send(AF_INET, SOCK_STREAM, kPerRound);
        Send(AF_INET6, SOCK_STREAM, kPerRound);
        Overflow();
        Leave();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return entered;
}

std::string Print(const event_stack& stack) {
  std::string text;
  for (const uint64_t frame : stack.frame) text += fmt::format(" {:x}", frame);
  return text;
}

}  // namespace

TEST_CASE("[host] a kernel stack from memory is the one that the unwinder finds") {
  for (const char* program : {"compare_btf", "compare_raw"}) {
    const Skeleton skeleton = Attach(program);
    if (skeleton == nullptr) continue;
    if (!DropInOwnNetwork()) {
      fmt::print("skipped: no network of its own\n");
      return;
    }
    kernel_stack_bpf__detach(skeleton.get());
    std::vector<stack_comparison> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
    const uint32_t zero = 0;
    REQUIRE(bpf_map__lookup_elem(skeleton->maps.comparisons, &zero, sizeof(zero), cpus.data(),
                                 cpus.size() * sizeof(cpus[0]), 0) == 0);
    stack_comparison sum{};
    for (const stack_comparison& cpu : cpus) {
      sum.stacks += cpu.stacks;
      sum.from_memory += cpu.from_memory;
      sum.different += cpu.different;
      if (cpu.different == 0) continue;
      UNSCOPED_INFO(
          fmt::format("known{}\nfound{}", Print(cpu.known_example), Print(cpu.found_example)));
    }
    fmt::print("{}: {} stacks, {} from memory\n", program, sum.stacks, sum.from_memory);
    CHECK(sum.different == 0);
#if defined(__x86_64__)
    CHECK(sum.from_memory > sum.stacks / 2);
#else
    CHECK(sum.from_memory == 0);
#endif
    CHECK(sum.stacks > 3 * kRounds * kPerRound * 3);
  }
}

}  // namespace huatuo
