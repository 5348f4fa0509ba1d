// How many processes and threads each container makes.
#include <utility>

#include "bpf/forks.skel.h"
#include "collector/kernel/counting_instance.h"
#include "collector/kernel/latency_metric.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

enum Metric : size_t { kForks, kWithoutRoom };

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_container_forks_total",
     .help = "Processes and threads that the container's tasks made.",
     .type = v1::MetricType::COUNTER,
     .container = true},
    {.name = "huatuo_collector_forks_overflowed_total",
     .help = "Processes and threads that count for the node only: of too many cgroups.",
     .type = v1::MetricType::COUNTER},
};

class Forks : public SubjectInstance {
 public:
  using SubjectInstance::SubjectInstance;

  void Collect(MetricWriter& writer) override {
    subjects().Read();
    for (const auto& [id, of] : subjects().containers()) {
      writer.Set(kForks, {}, &of.container, static_cast<double>(Count(of.kinds[0])));
    }
    writer.Set(kWithoutRoom, {}, nullptr, static_cast<double>(subjects().without_room()));
  }
};

constexpr std::string_view kPrograms[] = {"forks_fork"};
constexpr Mechanism kMechanisms[] = {{"tp_btf", "", &OpenCounting<forks_bpf, Forks>, kPrograms}};

constexpr MetricSource kSources[] = {{"", "sched_process_fork"}};

}  // namespace

extern constexpr Unit kForks = {
    .name = "forks",
    .help = "How many processes and threads each container makes.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
    .shed_order = 2,
};

}  // namespace huatuo
