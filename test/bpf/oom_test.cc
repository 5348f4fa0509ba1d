#include "bpf/oom.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <memory>
#include <vector>

#include "bpf/oom.skel.h"
#include "test/bpf/cgroup_folder.h"

namespace huatuo {
namespace {

constexpr size_t kLimitBytes = 24 << 20;
constexpr uint64_t kLimitPages = kLimitBytes / 4096;

int Collect(void* events, void* record, size_t size) {
  oom_event event = {};
  memcpy(&event, record, std::min(size, sizeof(event)));
  static_cast<std::vector<oom_event>*>(events)->push_back(event);
  return 0;
}

[[noreturn]] void Hog(int start) {
  char byte = 0;
  if (read(start, &byte, 1) == 1) {
    prctl(PR_SET_NAME, "oom-test-hog");
    void* memory =
        mmap(nullptr, kLimitBytes * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 1, kLimitBytes * 4);
  }
  _exit(0);
}

// The pid of a process that the kernel killed for exceeding the limit of `folder`; 0 when it did
// not.
int KillOne(const CgroupFolder& folder) {
  int start[2];
  if (pipe(start) != 0) {
    return 0;
  }
  const int pid = fork();
  if (pid == 0) {
    Hog(start[0]);
  }
  if (!folder.Add(pid)) {
    kill(pid, SIGTERM);
  }
  const bool told = write(start[1], "x", 1) == 1;
  int status = 0;
  waitpid(pid, &status, 0);
  close(start[0]);
  close(start[1]);
  return told && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? pid : 0;
}

// Everything that each mechanism must know.
std::string Common(const oom_event& event) {
  return fmt::format("unit {} instance {} record {} size {} trigger {} same cgroup {} tgid {}",
                     event.header.unit, event.header.instance, event.header.record,
                     event.header.size, event.header.comm,
                     event.header.cgroup.id == event.victim_cgroup.id, event.victim_tgid > 0);
}

std::string Domain(const oom_event& event) {
  return fmt::format("scope {} constraint {} limit {} usage over {} victim {} adj {} rss {}",
                     event.scope, event.constraint, event.limit_pages,
                     event.usage_pages > kLimitPages / 2, event.victim_comm, event.oom_score_adj,
                     event.victim_rss_anon_pages > kLimitPages / 2 &&
                         event.victim_rss_anon_pages < kLimitPages * 2);
}

struct CloseSkeleton {
  void operator()(oom_bpf* skeleton) const { oom_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<oom_bpf, CloseSkeleton>;

// Null where the kernel does not have the mechanism.
Skeleton Open(const char* mechanism) {
  Skeleton skeleton(oom_bpf__open());
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    bpf_program__set_autoload(program, strcmp(bpf_program__name(program), mechanism) == 0);
  }
  skeleton->rodata->unit_id = 7;
  skeleton->rodata->instance_id = 3;
  if (oom_bpf__load(skeleton.get()) != 0 || oom_bpf__attach(skeleton.get()) != 0) {
    fmt::print("skipped: {}: not on this kernel\n", mechanism);
    return nullptr;
  }
  return skeleton;
}

std::vector<oom_event> Records(const oom_bpf* skeleton) {
  std::vector<oom_event> events;
  ring_buffer* ring =
      ring_buffer__new(bpf_map__fd(skeleton->maps.events), Collect, &events, nullptr);
  ring_buffer__consume(ring);
  ring_buffer__free(ring);
  return events;
}

emit_counters Counters(const oom_bpf* skeleton) {
  std::vector<emit_counters> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  const uint32_t zero = 0;
  bpf_map__lookup_elem(skeleton->maps.counters, &zero, sizeof(zero), cpus.data(),
                       cpus.size() * sizeof(cpus[0]), 0);
  emit_counters sum = {};
  for (const emit_counters& cpu : cpus) {
    sum.emitted += cpu.emitted;
    sum.refused += cpu.refused;
    sum.ring_full += cpu.ring_full;
  }
  return sum;
}

std::string Accounting(const oom_bpf* skeleton) {
  const emit_counters sum = Counters(skeleton);
  return fmt::format("emitted {} refused {} ring_full {}", sum.emitted, sum.refused, sum.ring_full);
}

bool Limit(const CgroupFolder& folder) {
  const std::string bytes = std::to_string(kLimitBytes);
  if (!folder.ok()) {
    fmt::print("skipped: cannot make a memory cgroup\n");
    return false;
  }
  folder.Write("memory.swap.max", "0");
  return folder.Write(folder.v2() ? "memory.max" : "memory.limit_in_bytes", bytes);
}

struct Mechanism {
  const char* program;
  uint32_t id;
};
constexpr Mechanism kFull[] = {{"oom_fentry", OOM_BY_FENTRY}, {"oom_kprobe", OOM_BY_KPROBE}};

}  // namespace

TEST_CASE("[host] a kill by the probed function says everything") {
  const CgroupFolder folder("memory", "huatuo-oom-test");
  if (!Limit(folder)) {
    return;
  }
  for (const Mechanism& mechanism : kFull) {
    const Skeleton skeleton = Open(mechanism.program);
    if (skeleton == nullptr) {
      continue;
    }
    const int victim = KillOne(folder);
    REQUIRE(victim != 0);
    const std::vector<oom_event> events = Records(skeleton.get());
    REQUIRE(events.size() == 1);
    const oom_event& event = events[0];
    CHECK(event.victim_tgid == static_cast<uint32_t>(victim));
    CHECK(event.victim_cgroup.id == folder.ref().id);
    CHECK(event.victim_cgroup.hierarchy == folder.ref().hierarchy);
    CHECK(event.memcg.id == folder.ref().id);
    CHECK(Common(event) ==
          "unit 7 instance 3 record 0 size 168 trigger oom-test-hog same cgroup true tgid true");
    CHECK(Domain(event) ==
          fmt::format("scope 1 constraint 3 limit {} usage over true victim oom-test-hog adj 0 "
                      "rss true",
                      kLimitPages));
    CHECK(Accounting(skeleton.get()) == "emitted 1 refused 0 ring_full 0");
    CHECK(event.mechanism == mechanism.id);
    CHECK(event.killed_count == 1);
    fmt::print("{}: ok\n", mechanism.program);
  }
}

TEST_CASE("[host] mark_victim says what it can and no more") {
  const CgroupFolder folder("memory", "huatuo-oom-test");
  const Skeleton skeleton = Limit(folder) ? Open("oom_mark_victim") : nullptr;
  if (skeleton == nullptr) {
    return;
  }
  const int victim = KillOne(folder);
  REQUIRE(victim != 0);
  const std::vector<oom_event> events = Records(skeleton.get());
  REQUIRE(events.size() == 1);
  CHECK(events[0].victim_tgid == static_cast<uint32_t>(victim));
  CHECK(events[0].victim_cgroup.id == folder.ref().id);
  CHECK(Common(events[0]) ==
        "unit 7 instance 3 record 0 size 168 trigger oom-test-hog same cgroup true tgid true");
  CHECK(events[0].mechanism == OOM_BY_MARK_VICTIM);
  CHECK(events[0].scope == OOM_SCOPE_UNKNOWN);
  CHECK(events[0].limit_pages == OOM_UNKNOWN_U64);
  CHECK(events[0].constraint == OOM_UNKNOWN_S32);
  CHECK(std::string(events[0].victim_comm) == "oom-test-hog");
}

TEST_CASE("[host] the limit and the filter apply at once, and refusals are counted") {
  const CgroupFolder folder("memory", "huatuo-oom-test");
  const Skeleton skeleton = Limit(folder) ? Open("oom_mark_victim") : nullptr;
  if (skeleton == nullptr) {
    return;
  }
  skeleton->data->limit_per_second = 0;
  REQUIRE(KillOne(folder) != 0);
  CHECK(Accounting(skeleton.get()) == "emitted 0 refused 1 ring_full 0");
  skeleton->data->limit_per_second = 10;
  skeleton->data->filter_cgroups = 1;
  REQUIRE(KillOne(folder) != 0);
  CHECK(Accounting(skeleton.get()) == "emitted 0 refused 1 ring_full 0");
  const uint8_t yes = 1;
  bpf_map__update_elem(skeleton->maps.wanted_cgroups, &folder.ref(), sizeof(cgroup_ref), &yes,
                       sizeof(yes), 0);
  REQUIRE(KillOne(folder) != 0);
  CHECK(Accounting(skeleton.get()) == "emitted 1 refused 1 ring_full 0");
}

}  // namespace huatuo
