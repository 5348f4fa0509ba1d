#include "bpf/tick.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "bpf/softirq.h"
#include "bpf/softirq.skel.h"
#include "bpf/tick.skel.h"

namespace huatuo {
namespace {

constexpr uint64_t kPeriodNs = 5'000'000;

struct CloseTick {
  void operator()(tick_bpf* skeleton) const { tick_bpf__destroy(skeleton); }
};
struct CloseSoftirq {
  void operator()(softirq_bpf* skeleton) const { softirq_bpf__destroy(skeleton); }
};
using Tick = std::unique_ptr<tick_bpf, CloseTick>;
using Softirq = std::unique_ptr<softirq_bpf, CloseSoftirq>;

// Ticks of one CPU, to which this thread is bound. `late`: the program takes each for too late.
Tick Open(int cpu, bool late) {
  Tick skeleton(tick_bpf__open());
  skeleton->rodata->period_ns = late ? 1 : 3600'000'000'000;
  bpf_map__set_max_entries(skeleton->maps.cpus, static_cast<uint32_t>(libbpf_num_possible_cpus()));
  if (tick_bpf__load(skeleton.get()) != 0) return nullptr;
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  sched_setaffinity(0, sizeof(only), &only);
  prctl(PR_SET_NAME, "tick-test-spin");
  perf_event_attr tick{};
  tick.size = sizeof(tick);
  tick.type = PERF_TYPE_SOFTWARE;
  tick.config = PERF_COUNT_SW_CPU_CLOCK;
  tick.sample_period = kPeriodNs;
  const auto fd = static_cast<int>(syscall(SYS_perf_event_open, &tick, -1, cpu, -1, 0));
  skeleton->links.tick_sample = bpf_program__attach_perf_event(skeleton->progs.tick_sample, fd);
  return skeleton->links.tick_sample != nullptr ? std::move(skeleton) : nullptr;
}

constexpr uint32_t kUnused = 5;  // IRQ_POLL, of some SCSI drivers

// As if this softirq of the CPU had been raised long ago.
void Pretend(const tick_bpf* skeleton, uint32_t cpu, uint32_t vector) {
  std::vector<softirq_vector> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  cpus[cpu].raised_ns = 1;
  bpf_map__update_elem(skeleton->maps.vectors, &vector, sizeof(vector), cpus.data(),
                       cpus.size() * sizeof(cpus[0]), 0);
}

tick_cpu State(const tick_bpf* skeleton, uint32_t cpu) {
  tick_cpu state{};
  bpf_map__lookup_elem(skeleton->maps.cpus, &cpu, sizeof(cpu), &state, sizeof(state), 0);
  return state;
}

// Runs until so many ticks more have been kept.
void SpinFor(const tick_bpf* skeleton, uint32_t cpu, uint64_t samples) {
  const uint64_t end = State(skeleton, cpu).kept + samples;
  while (State(skeleton, cpu).kept < end) {
  }
}

std::vector<tick_sample> Samples(const tick_bpf* skeleton, int cpu) {
  std::vector<tick_sample> samples;
  std::vector<tick_sample> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t i = 0; i < TICK_SAMPLES; ++i) {
    bpf_map__lookup_elem(skeleton->maps.samples, &i, sizeof(i), cpus.data(),
                         cpus.size() * sizeof(cpus[0]), 0);
    samples.push_back(cpus[static_cast<size_t>(cpu)]);
  }
  return samples;
}

template <typename Event>
std::vector<Event> Records(const bpf_map* ring_map) {
  std::vector<Event> events;
  const auto collect = [](void* to, void* record, size_t size) {
    Event event{};
    std::memcpy(&event, record, std::min(size, sizeof(event)));
    static_cast<std::vector<Event>*>(to)->push_back(event);
    return 0;
  };
  ring_buffer* ring = ring_buffer__new(bpf_map__fd(ring_map), collect, &events, nullptr);
  ring_buffer__consume(ring);
  ring_buffer__free(ring);
  return events;
}

bool Mine(const event_header& header) {
  return header.tid == static_cast<uint32_t>(getpid()) &&
         std::strcmp(header.comm, "tick-test-spin") == 0;
}

int64_t Mine(const std::vector<tick_sample>& samples) {
  return std::count_if(samples.begin(), samples.end(), [](const tick_sample& sample) {
    return sample.tid == static_cast<uint32_t>(getpid()) && sample.tgid == sample.tid &&
           std::strcmp(sample.comm, "tick-test-spin") == 0 && sample.cgroup.id != 0;
  });
}

TEST_CASE("[host] the samples of a CPU are of the task that keeps it busy while a softirq waits") {
  const Tick skeleton = Open(0, false);
  REQUIRE(skeleton != nullptr);
  Pretend(skeleton.get(), 0, kUnused);
  SpinFor(skeleton.get(), 0, 2 * TICK_SAMPLES);
  // Others may have the CPU for a while.
  std::vector<tick_sample> samples = Samples(skeleton.get(), 0);
  for (int tries = 0; Mine(samples) < 2 && tries < 1000; ++tries) {
    SpinFor(skeleton.get(), 0, 1);
    samples = Samples(skeleton.get(), 0);
  }
  tick_bpf__detach(skeleton.get());
  CHECK(Mine(samples) >= 2);
  CHECK(std::all_of(samples.begin(), samples.end(), [](const tick_sample& sample) {
    return sample.time_ns != 0 &&
           (sample.place.stack.frame[0] != 0 || sample.place.registers[0] == 0);
  }));
  const tick_cpu state = State(skeleton.get(), 0);
  CHECK(state.ticks >= state.kept);
  CHECK(state.first_ns < state.last_ns);
}

TEST_CASE("[host] a tick keeps nothing while nothing waits") {
  const Tick skeleton = Open(0, false);
  REQUIRE(skeleton != nullptr);
  // At some the CPU is due to switch to another task.
  const tick_cpu begin = State(skeleton.get(), 0);
  uint64_t ticks = 0;
  uint64_t kept = 0;
  while (ticks < 1000 && ticks < kept + 20) {
    const tick_cpu now = State(skeleton.get(), 0);
    ticks = now.ticks - begin.ticks;
    kept = now.kept - begin.kept;
  }
  CHECK(ticks >= kept + 20);
}

TEST_CASE("[host] a late tick is a record of who held interrupts off, one for each") {
  const Tick skeleton = Open(0, true);
  REQUIRE(skeleton != nullptr);
  const uint32_t index = TICK_WATCH_HARDIRQ;
  const tick_watch watch = {
      .threshold_ns = 1, .limit_per_second = 1'000'000, .instance = 3, .unit = 7};
  const uint64_t before = State(skeleton.get(), 0).ticks;
  bpf_map__update_elem(skeleton->maps.watches, &index, sizeof(index), &watch, sizeof(watch), 0);
  const auto is_mine = [](const softirq_event& event) { return Mine(event.header); };
  std::vector<softirq_event> events;
  // Others may have the CPU for a while.
  for (int tries = 0; tries < 1000 && std::none_of(events.begin(), events.end(), is_mine);
       ++tries) {
    SpinFor(skeleton.get(), 0, 7);
    const std::vector<softirq_event> more = Records<softirq_event>(skeleton->maps.events);
    events.insert(events.end(), more.begin(), more.end());
  }
  const tick_watch closed{};
  bpf_map__update_elem(skeleton->maps.watches, &index, sizeof(index), &closed, sizeof(closed), 0);
  const uint64_t ticks = State(skeleton.get(), 0).ticks - before;
  // A tick that came early after a late one is none.
  CHECK(!events.empty());
  CHECK(events.size() <= ticks);
  const auto mine = std::find_if(events.begin(), events.end(), is_mine);
  REQUIRE(mine != events.end());
  CHECK(fmt::format("unit {} instance {} kind {} samples {} threshold {}", mine->header.unit,
                    mine->header.instance, mine->kind, mine->samples,
                    mine->threshold_ns) == "unit 7 instance 3 kind 1 samples 1 threshold 1");
  // By the timer, which was in time; not by the distance of two ticks.
  CHECK(std::any_of(events.begin(), events.end(), [](const softirq_event& event) {
    return Mine(event.header) && event.off_ns > 0 && event.off_ns < kPeriodNs / 2;
  }));
}

TEST_CASE("[host] a softirq that was held off names the vector, and the task of the ticks") {
  const Tick tick = Open(0, false);
  REQUIRE(tick != nullptr);
  const Softirq softirq(softirq_bpf__open());
  bpf_map__reuse_fd(softirq->maps.samples, bpf_map__fd(tick->maps.samples));
  bpf_map__reuse_fd(softirq->maps.cpus, bpf_map__fd(tick->maps.cpus));
  bpf_map__reuse_fd(softirq->maps.vectors, bpf_map__fd(tick->maps.vectors));
  bpf_program__set_autoload(softirq->progs.softirq_raise_raw, false);
  bpf_program__set_autoload(softirq->progs.softirq_entry_raw, false);
  REQUIRE(softirq_bpf__load(softirq.get()) == 0);
  Pretend(tick.get(), 0, kUnused);
  SpinFor(tick.get(), 0, TICK_SAMPLES);
  // Every softirq that comes next was held off for so long.
  for (uint32_t vector = 0; vector < SOFTIRQ_VECTORS; ++vector) Pretend(tick.get(), 0, vector);
  softirq->data->threshold_ns = 1;
  softirq->data->limit_per_second = 5;
  REQUIRE(softirq_bpf__attach(softirq.get()) == 0);
  SpinFor(tick.get(), 0, 40);
  softirq_bpf__detach(softirq.get());
  const std::vector<softirq_event> events = Records<softirq_event>(softirq->maps.events);
  REQUIRE(!events.empty());
  for (const softirq_event& event : events) {
    CHECK(fmt::format("kind {} vector {} alone {} threshold {} off {} caller {} votes {}",
                      event.kind,
                      event.vector<SOFTIRQ_VECTORS, event.vectors == 1U << event.vector,
                                   event.threshold_ns, event.off_ns> 0,
                      event.caller[0] != 0, event.culprit_samples <= event.samples) ==
          "kind 0 vector true alone true threshold 1 off true caller true votes true");
  }
}

}  // namespace
}  // namespace huatuo
