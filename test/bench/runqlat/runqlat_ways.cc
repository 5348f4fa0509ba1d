// runqlat_ways cost [ROUNDS] | agree [SECONDS]
//
// cost: loads one way after the other under the same load, ROUNDS times, and prints the medians of
// what bpf_stats says (its own cost included). agree: attaches the ways that differ in their time
// stamps at once and prints their histograms side by side.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "bpf/sched.h"
#include "bpf/sched.skel.h"
#include "cgroup_hash.skel.h"
#include "cgroup_storage.skel.h"
#include "floor.skel.h"
#include "last_queued.skel.h"
#include "run_delay.skel.h"
#include "test/bench/runqlat/load.h"
#include "wakeup_hash.skel.h"
#include "wakeup_task_storage.skel.h"

namespace huatuo {
namespace {

struct Way {
  const char* name;
  const void* (*elf)(size_t* size);
  bool compare;
};

constexpr Way kWays[] = {
    {"floor", floor_bpf__elf_bytes, false},
    {"wakeup_hash", wakeup_hash_bpf__elf_bytes, true},
    {"wakeup_task_storage", wakeup_task_storage_bpf__elf_bytes, true},
    {"last_queued", last_queued_bpf__elf_bytes, true},
    {"run_delay", run_delay_bpf__elf_bytes, true},
    {"cgroup_hash", cgroup_hash_bpf__elf_bytes, false},
    {"cgroup_storage", cgroup_storage_bpf__elf_bytes, false},
    {"sched (ours)", sched_bpf__elf_bytes, false},
};

struct Cost {
  uint64_t calls = 0;
  uint64_t ns = 0;
};

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

// A loaded way with its links; detached when it goes.
class Attached {
 public:
  explicit Attached(const Way& way) {
    size_t size = 0;
    const void* elf = way.elf(&size);
    object_.reset(bpf_object__open_mem(elf, size, nullptr));
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object_.get()) {
      const bool twin = std::string_view(bpf_program__section_name(program)).starts_with("raw_tp");
      bpf_program__set_autoload(program, !twin);
    }
    SizeMemory();
    if (bpf_object__load(object_.get()) != 0) {
      return;
    }
    bpf_object__for_each_program(program, object_.get()) {
      if (bpf_program__autoload(program)) {
        links_.push_back(bpf_program__attach(program));
      }
    }
  }
  ~Attached() { Detach(); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

  bool works() const { return !links_.empty(); }
  void Detach() {
    for (bpf_link* link : links_) {
      bpf_link__destroy(link);
    }
    links_.clear();
  }
  Cost Total() const;
  std::array<uint64_t, SCHED_BUCKETS> Buckets() const;

 private:
  // That of `sched` is by CPU.
  void SizeMemory() {
    bpf_map* memory = bpf_object__find_map_by_name(object_.get(), "memory");
    if (memory == nullptr) return;
    bpf_map__set_max_entries(memory, static_cast<uint32_t>(libbpf_num_possible_cpus()));
  }

  std::unique_ptr<bpf_object, CloseObject> object_;
  std::vector<bpf_link*> links_;
};

Cost Attached::Total() const {
  Cost total;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) {
    bpf_prog_info about = {};
    uint32_t size = sizeof(about);
    if (bpf_program__fd(program) >= 0 &&
        bpf_obj_get_info_by_fd(bpf_program__fd(program), &about, &size) == 0) {
      total.calls += about.run_cnt;
      total.ns += about.run_time_ns;
    }
  }
  return total;
}

std::array<uint64_t, SCHED_BUCKETS> Attached::Buckets() const {
  std::array<uint64_t, SCHED_BUCKETS> sum = {};
  const auto add = [&sum](const sched_histogram& one) {
    for (size_t i = 0; i < sum.size(); i++) sum.at(i) += one.bucket[i];
  };
  const auto cpus = static_cast<uint32_t>(libbpf_num_possible_cpus());
  const bpf_map* memory = bpf_object__find_map_by_name(object_.get(), "memory");
  if (memory != nullptr) {
    const auto one = std::make_unique<sched_cpu>();
    for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
      bpf_map__lookup_elem(memory, &cpu, sizeof(cpu), one.get(), sizeof(*one), 0);
      std::for_each(std::begin(one->histogram), std::end(one->histogram), add);
    }
    return sum;
  }
  const bpf_map* map = bpf_object__find_map_by_name(object_.get(), "histograms");
  std::vector<sched_histogram> all(cpus);
  const uint32_t zero = 0;
  bpf_map__lookup_elem(map, &zero, sizeof(zero), all.data(), all.size() * sizeof(all[0]), 0);
  std::for_each(all.begin(), all.end(), add);
  return sum;
}

struct Sample {
  double ns_per_call;
  double calls_per_switch;
  double ns_per_switch;
};

// The time of one measurement; nothing is waited for but the clock.
constexpr auto kMeasured = std::chrono::seconds(1);

bool Measure(const Way& way, std::vector<Sample>& samples) {
  Attached attached(way);
  if (!attached.works()) {
    return false;
  }
  const uint64_t before = ContextSwitches();
  std::this_thread::sleep_for(kMeasured);
  const double switches = static_cast<double>(ContextSwitches() - before);
  attached.Detach();
  const Cost cost = attached.Total();
  const double calls = static_cast<double>(cost.calls);
  const double ns = static_cast<double>(cost.ns);
  samples.push_back({ns / calls, calls / switches, ns / switches});
  return true;
}

double Median(std::vector<Sample> samples, double Sample::*field) {
  std::sort(samples.begin(), samples.end(),
            [field](const Sample& a, const Sample& b) { return a.*field < b.*field; });
  return samples[samples.size() / 2].*field;
}

void PrintCost(int rounds) {
  const int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
  const Load load(2, 0);
  std::array<std::vector<Sample>, std::size(kWays)> samples;
  for (int round = 0; round < rounds; round++) {
    for (size_t i = 0; i < std::size(kWays); i++) {
      Measure(kWays[i], samples.at(i));
    }
  }
  fmt::print("{:<20} {:>8} {:>12} {:>10}\n", "way", "ns/call", "calls/switch", "ns/switch");
  for (size_t i = 0; i < std::size(kWays); i++) {
    if (samples.at(i).empty()) {
      fmt::print("{:<20} unavailable\n", kWays[i].name);
      continue;
    }
    fmt::print("{:<20} {:>8.0f} {:>12.2f} {:>10.0f}\n", kWays[i].name,
               Median(samples.at(i), &Sample::ns_per_call),
               Median(samples.at(i), &Sample::calls_per_switch),
               Median(samples.at(i), &Sample::ns_per_switch));
  }
  close(stats);
}

void PrintAgreement(int seconds) {
  const Load load(1, 3);
  std::vector<std::unique_ptr<Attached>> ways;
  std::string head = fmt::format("{:>12}", "up to us");
  for (const Way& way : kWays) {
    if (way.compare) {
      ways.push_back(std::make_unique<Attached>(way));
      head += fmt::format(" {:>20}", way.name);
    }
  }
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  for (const auto& way : ways) {
    way->Detach();
  }
  fmt::print("{}\n", head);
  for (size_t bucket = 0; bucket < SCHED_BUCKETS; bucket++) {
    fmt::print("{:>12}", 1ULL << bucket);
    for (const auto& way : ways) {
      fmt::print(" {:>20}", way->Buckets().at(bucket));
    }
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const int amount = argc > 2 ? std::atoi(argv[2]) : 5;
  libbpf_set_print(nullptr);
  if (mode == "cost" && amount > 0) {
    huatuo::PrintCost(amount);
  } else if (mode == "agree" && amount > 0) {
    huatuo::PrintAgreement(amount);
  } else {
    fmt::print(stderr, "usage: runqlat_ways cost [ROUNDS] | agree [SECONDS]\n");
    return 2;
  }
  return 0;
}
