#include "bpf/sched.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "bpf/sched.skel.h"
#include "test/bpf/cgroup_folder.h"

namespace huatuo {
namespace {

constexpr uint32_t kSlot = SCHED_SLOT_FIRST;
// Just over the bound of a bucket, so that the records can be compared with the histogram.
constexpr int kBucket = 10;
constexpr uint64_t kThresholdNs = (1000ULL << kBucket) + 1;

struct CloseSkeleton {
  void operator()(sched_bpf* skeleton) const { sched_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<sched_bpf, CloseSkeleton>;

uint32_t Cpus() { return static_cast<uint32_t>(libbpf_num_possible_cpus()); }

// Not every kernel has a name for its run queues.
const char* const kNamed = "sched_switch_named";
const char* const kPrograms[] = {kNamed, "sched_switch_btf", "sched_switch_raw"};

// `on_v2`: where the cpu controller is, so that only that key is used; nullopt: both. Null only for
// kNamed, where the kernel does not know that.
Skeleton Open(const char* program, std::optional<bool> on_v2 = std::nullopt) {
  Skeleton skeleton(sched_bpf__open());
  bpf_program* one = nullptr;
  bpf_object__for_each_program(one, skeleton->obj) {
    bpf_program__set_autoload(one, strcmp(program, bpf_program__name(one)) == 0);
  }
  skeleton->rodata->key_by_controller = !on_v2.value_or(false);
  skeleton->rodata->key_by_unified = on_v2.value_or(true);
  bpf_map__set_max_entries(skeleton->maps.memory, Cpus());
  const bool loaded = sched_bpf__load(skeleton.get()) == 0;
  REQUIRE((loaded || program == kNamed));
  return loaded ? std::move(skeleton) : nullptr;
}

template <typename Value>
std::vector<Value> PerCpu(const bpf_map* map, uint32_t key) {
  std::vector<Value> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  bpf_map__lookup_elem(map, &key, sizeof(key), cpus.data(), cpus.size() * sizeof(Value), 0);
  return cpus;
}

sched_histogram Histogram(const sched_bpf* skeleton, uint32_t slot) {
  sched_histogram sum = {};
  const auto memory = std::make_unique<sched_cpu>();
  for (uint32_t cpu = 0; cpu < Cpus(); ++cpu) {
    bpf_map__lookup_elem(skeleton->maps.memory, &cpu, sizeof(cpu), memory.get(), sizeof(sched_cpu),
                         0);
    const sched_histogram& one = memory->histogram[slot];
    for (int i = 0; i < SCHED_BUCKETS; ++i) sum.bucket[i] += one.bucket[i];
    for (int i = 0; i < SCHED_BEHINDS; ++i) sum.behind_ns[i] += one.behind_ns[i];
    for (int i = 0; i < 2; ++i) sum.switches[i] += one.switches[i];
    sum.sum_ns += one.sum_ns;
  }
  return sum;
}

// Waits of `slot` in buckets after `first`.
uint64_t Waits(const sched_bpf* skeleton, uint32_t slot, int first) {
  const sched_histogram sum = Histogram(skeleton, slot);
  return std::accumulate(sum.bucket + first, sum.bucket + SCHED_BUCKETS, uint64_t{0});
}

emit_counters Counters(const sched_bpf* skeleton, uint32_t instance) {
  emit_counters sum = {};
  for (const auto& cpu : PerCpu<emit_counters>(skeleton->maps.counters, instance)) {
    sum.emitted += cpu.emitted;
    sum.refused += cpu.refused;
    sum.ring_full += cpu.ring_full;
  }
  return sum;
}

// Burns `cpu_ms` of CPU time on CPU 0 once told to begin.
[[noreturn]] void Burn(int start, int cpu_ms) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  sched_setaffinity(0, sizeof(cpus), &cpus);
  char byte = 0;
  timespec used = {};
  if (read(start, &byte, 1) == 1) {
    while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < cpu_ms) {
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    }
  }
  _exit(0);
}

// Two processes of `folder` that want the same CPU: each waits while the other runs.
bool Contend(const CgroupFolder& folder) {
  int start[2];
  if (pipe(start) != 0) {
    return false;
  }
  bool added = true;
  int children[2];
  for (int& child : children) {
    child = fork();
    if (child == 0) {
      Burn(start[0], 150);
    }
    added = folder.Add(child) && added;
  }
  const bool told = write(start[1], "xx", 2) == 2;
  for (const int child : children) {
    waitpid(child, nullptr, 0);
  }
  close(start[0]);
  close(start[1]);
  return added && told;
}

constexpr int kTurns = 1000;

// Two processes of `folder` on one CPU that wake each other up, kTurns times each.
bool TakeTurns(const CgroupFolder& folder) {
  int pipes[2][2];
  if (pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0) return false;
  bool added = true;
  int children[2];
  for (int i = 0; i < 2; ++i) {
    children[i] = fork();
    if (children[i] == 0) {
      cpu_set_t only;
      CPU_ZERO(&only);
      CPU_SET(0, &only);
      sched_setaffinity(0, sizeof(only), &only);
      char turn = 0;
      bool good = true;
      for (int n = 0; good && n < kTurns; ++n) {
        good = read(pipes[i][0], &turn, 1) == 1 && write(pipes[1 - i][1], &turn, 1) == 1;
      }
      _exit(good ? 0 : 1);
    }
    added = folder.Add(children[i]) && added;
  }
  bool good = write(pipes[0][1], "x", 1) == 1;
  for (const int child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    good = good && status == 0;
  }
  for (const auto& ends : pipes) {
    close(ends[0]);
    close(ends[1]);
  }
  return added && good;
}

void Assign(sched_bpf* skeleton, const CgroupFolder& folder) {
  bpf_map__update_elem(skeleton->maps.slots, &folder.ref(), sizeof(cgroup_ref), &kSlot,
                       sizeof(kSlot), 0);
  skeleton->data->slot_generation += SCHED_GENERATION;
}

// `limit` records a second of this test's slot go to instance 4.
void OpenInstance(sched_bpf* skeleton, uint64_t limit) {
  const uint32_t index = 4;
  sched_instance instance = {};
  instance.threshold_ns = kThresholdNs;
  instance.limit_per_second = limit;
  instance.slot = kSlot;
  instance.instance = 44;
  instance.unit = 9;
  bpf_map__update_elem(skeleton->maps.instances, &index, sizeof(index), &instance, sizeof(instance),
                       0);
  skeleton->data->min_threshold_ns = kThresholdNs;
  skeleton->data->short_wait_ns = kThresholdNs;
}

int Collect(void* records, void* record, size_t size) {
  sched_delay_event event = {};
  memcpy(&event, record, std::min(size, sizeof(event)));
  static_cast<std::vector<sched_delay_event>*>(records)->push_back(event);
  return 0;
}

std::vector<sched_delay_event> Records(const sched_bpf* skeleton) {
  std::vector<sched_delay_event> records;
  ring_buffer* ring =
      ring_buffer__new(bpf_map__fd(skeleton->maps.events), Collect, &records, nullptr);
  ring_buffer__consume(ring);
  ring_buffer__free(ring);
  return records;
}

std::string Print(const sched_delay_event& event) {
  return fmt::format("unit {} instance {} size {} threshold {} over {} previous {}",
                     event.header.unit, event.header.instance, event.header.size,
                     event.threshold_ns, event.delay_ns >= event.threshold_ns,
                     event.previous_tid != event.header.tid);
}

}  // namespace

TEST_CASE("[host] each long wait of a container is counted once and emitted or refused") {
  for (const char* program : kPrograms) {
    const CgroupFolder folder("cpu", "huatuo-sched-test");
    const CgroupFolder inner("cpu", "huatuo-sched-test/inner");
    const Skeleton skeleton = folder.ok() && inner.ok() ? Open(program) : nullptr;
    if (skeleton == nullptr) {
      fmt::print("skipped: {}: no cgroup of the cpu controller, or no name\n", program);
      continue;
    }
    Assign(skeleton.get(), folder);
    OpenInstance(skeleton.get(), 3);
    REQUIRE(sched_bpf__attach(skeleton.get()) == 0);
    REQUIRE(Contend(inner));
    sched_bpf__detach(skeleton.get());
    const emit_counters sum = Counters(skeleton.get(), 4);
    const std::vector<sched_delay_event> records = Records(skeleton.get());
    CHECK(Waits(skeleton.get(), kSlot, kBucket + 1) == sum.emitted + sum.refused + sum.ring_full);
    CHECK(records.size() == sum.emitted);
    CHECK(sum.emitted >= 3);
    CHECK(sum.refused > 0);
    CHECK(sum.ring_full == 0);
    REQUIRE(!records.empty());
    CHECK(records[0].header.cgroup.id == inner.ref().id);
    CHECK(records[0].header.cgroup.hierarchy == inner.ref().hierarchy);
    CHECK(Print(records[0]) ==
          fmt::format("unit 9 instance 44 size 120 threshold {} over true previous true",
                      kThresholdNs));
    CHECK(Waits(skeleton.get(), SCHED_SLOT_OTHER, 0) == 0);
    fmt::print("{}: {} long waits\n", program, sum.emitted + sum.refused);
  }
}

TEST_CASE("[host] every nanosecond of a container's waits has a cause") {
  for (const char* program : kPrograms) {
    const CgroupFolder folder("cpu", "huatuo-sched-test");
    const Skeleton skeleton = folder.ok() ? Open(program) : nullptr;
    if (skeleton == nullptr) {
      fmt::print("skipped: {}: no cgroup of the cpu controller, or no name\n", program);
      continue;
    }
    Assign(skeleton.get(), folder);
    REQUIRE(sched_bpf__attach(skeleton.get()) == 0);
    REQUIRE(Contend(folder));
    sched_bpf__detach(skeleton.get());
    const sched_histogram sum = Histogram(skeleton.get(), kSlot);
    CHECK(std::accumulate(sum.behind_ns, sum.behind_ns + SCHED_BEHINDS, uint64_t{0}) == sum.sum_ns);
    // Each of the two burns 150 ms, most of them while the other waits.
    CHECK(sum.behind_ns[SCHED_BEHIND_OWN] >= 100'000'000);
    CHECK(sum.behind_ns[SCHED_BEHIND_OWN] <= 320'000'000);
    CHECK(sum.behind_ns[SCHED_BEHIND_THROTTLE] == 0);
    CHECK(sum.switches[0] > 0);
    // It reads its order, and ends.
    CHECK(sum.switches[1] >= 2);
    CHECK(sum.switches[1] <= 8);
  }
}

TEST_CASE("[host] each short wait within a container is counted, and what was before it") {
  for (const char* program : kPrograms) {
    const CgroupFolder folder("cpu", "huatuo-sched-test");
    const Skeleton skeleton = folder.ok() ? Open(program) : nullptr;
    if (skeleton == nullptr) {
      fmt::print("skipped: {}: no cgroup of the cpu controller, or no name\n", program);
      continue;
    }
    Assign(skeleton.get(), folder);
    REQUIRE(sched_bpf__attach(skeleton.get()) == 0);
    REQUIRE(TakeTurns(folder));
    sched_bpf__detach(skeleton.get());
    const sched_histogram sum = Histogram(skeleton.get(), kSlot);
    // Others of the machine come between some of them.
    CHECK(Waits(skeleton.get(), kSlot, 0) >= 2 * kTurns - kTurns / 10);
    CHECK(Waits(skeleton.get(), kSlot, 0) <= 4 * kTurns);
    // Not all go by themselves: who is woken up may take the CPU at once.
    CHECK(sum.switches[0] + sum.switches[1] >= 2 * kTurns - kTurns / 10);
    CHECK(std::accumulate(sum.behind_ns, sum.behind_ns + SCHED_BEHINDS, uint64_t{0}) == sum.sum_ns);
  }
}

TEST_CASE("[host] a slot counts from the change of the generation on") {
  const CgroupFolder folder("cpu", "huatuo-sched-test");
  if (!folder.ok()) {
    fmt::print("skipped: no cgroup of the cpu controller\n");
    return;
  }
  const Skeleton skeleton = Open("sched_switch_btf", folder.v2());
  REQUIRE(sched_bpf__attach(skeleton.get()) == 0);
  REQUIRE(Contend(folder));
  CHECK(Waits(skeleton.get(), kSlot, 0) == 0);
  CHECK(Waits(skeleton.get(), SCHED_SLOT_HOST, 0) > 0);
  Assign(skeleton.get(), folder);
  REQUIRE(Contend(folder));
  CHECK(Waits(skeleton.get(), kSlot, 0) > 0);
  CHECK(Counters(skeleton.get(), 0).emitted == 0);
}

TEST_CASE("[host] a full ring is counted") {
  const CgroupFolder folder("cpu", "huatuo-sched-test");
  if (!folder.ok()) {
    fmt::print("skipped: no cgroup of the cpu controller\n");
    return;
  }
  const Skeleton skeleton = Open("sched_switch_btf");
  Assign(skeleton.get(), folder);
  // Every wait is a record, and 64 KiB hold 512 of 120 + 8 bytes.
  const uint32_t index = 4;
  sched_instance instance = {};
  instance.threshold_ns = 1;
  instance.limit_per_second = 1000000;
  instance.slot = ~0U;
  bpf_map__update_elem(skeleton->maps.instances, &index, sizeof(index), &instance, sizeof(instance),
                       0);
  skeleton->data->min_threshold_ns = 1;
  skeleton->data->short_wait_ns = 1;
  REQUIRE(sched_bpf__attach(skeleton.get()) == 0);
  for (int i = 0; i < 50 && Counters(skeleton.get(), 4).ring_full == 0; i++) {
    REQUIRE(Contend(folder));
  }
  sched_bpf__detach(skeleton.get());
  const emit_counters sum = Counters(skeleton.get(), 4);
  CHECK(sum.ring_full > 0);
  CHECK(sum.refused == 0);
  CHECK(Records(skeleton.get()).size() == sum.emitted);
}

}  // namespace huatuo
