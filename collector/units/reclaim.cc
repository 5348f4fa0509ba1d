// Time that is spent to find free memory, by the node and by each container's tasks.
#include "bpf/reclaim.h"

#include <bpf/btf.h>

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bpf/reclaim.skel.h"
#include "collector/kernel/counting_instance.h"
#include "collector/kernel/latency_metric.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

enum Metric : size_t {
  kNodeLatency,
  kNodeSeconds,
  kNodeReclaims,
  kNodeAsync,
  kNodeCompaction,
  kNodeStall,
  kLatency,
  kSeconds,
  kReclaims,
  kAsync,
  kCompaction,
  kStall,
  kWithoutRoom,
};

constexpr auto kHistogram = v1::MetricType::HISTOGRAM;
constexpr auto kCounter = v1::MetricType::COUNTER;

constexpr char kContainerAsync[] = "huatuo_container_memory_async_reclaim_seconds_total";

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_memory_direct_reclaim_latency_seconds",
     .help =
         "Time that tasks had to free memory themselves before they got some, for each reclaim.",
     .type = kHistogram,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_memory_direct_reclaim_seconds_total",
     .help = "Sum of the time that tasks had to free memory themselves.",
     .type = kCounter},
    {.name = "huatuo_node_memory_direct_reclaims_total",
     .help = "Times that tasks had to free memory themselves.",
     .type = kCounter},
    {.name = "huatuo_node_memory_async_reclaim_seconds_total",
     .help = "Time in which memory was freed with nobody waiting for it: kswapd from its waking to "
             "its sleep, and workers for cgroups over memory.high.",
     .type = kCounter},
    {.name = "huatuo_node_memory_compaction_stall_seconds_total",
     .help = "Time that tasks had to move pages themselves, to get some in a row.",
     .type = kCounter},
    {.name = "huatuo_node_memory_alloc_stall_seconds_total",
     .help = "The part of the time of direct reclaim that was for want of memory of the node, not "
             "of a cgroup: what the kernel counts as allocstall.",
     .type = kCounter},
    {.name = "huatuo_container_memory_direct_reclaim_latency_seconds",
     .help = "Time that the container's tasks had to free memory themselves, for each reclaim.",
     .type = kHistogram,
     .container = true,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds,
     .on_request = true},
    {.name = "huatuo_container_memory_direct_reclaim_seconds_total",
     .help = "Sum of the time that the container's tasks had to free memory themselves.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_container_memory_direct_reclaims_total",
     .help = "Times that the container's tasks had to free memory themselves.",
     .type = kCounter,
     .container = true},
    {.name = kContainerAsync,
     .help = "Time that kswapd, and workers for cgroups over memory.high, were at the container's "
             "memory. What they do between two cgroups is in the node's time only.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_container_memory_compaction_stall_seconds_total",
     .help = "Time that the container's tasks had to move pages themselves.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_container_memory_alloc_stall_seconds_total",
     .help = "Time that the container's tasks had to free memory of the node, which was short of "
             "it; their own limit apart.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_collector_reclaim_overflowed_total",
     .help = "Reclaims and compactions that count for the node only: of too many cgroups.",
     .type = kCounter},
};

class Reclaim : public SubjectInstance {
 public:
  using SubjectInstance::SubjectInstance;

  void Collect(MetricWriter& writer) override {
    subjects().Read();
    const latency direct = subjects().Node(RECLAIM_DIRECT);
    SetLatency(writer, kNodeLatency, {}, nullptr, direct, start_ns());
    Put(writer, kNodeSeconds, nullptr, Seconds(direct));
    Put(writer, kNodeReclaims, nullptr, static_cast<double>(Count(direct)));
    Put(writer, kNodeAsync, nullptr, Seconds(subjects().Node(RECLAIM_ASYNC)));
    Put(writer, kNodeCompaction, nullptr, Seconds(subjects().Node(RECLAIM_COMPACTION)));
    Put(writer, kNodeStall, nullptr, Seconds(subjects().Node(RECLAIM_STALL)));
    for (const auto& [id, of] : subjects().containers()) {
      const latency& own = of.kinds[RECLAIM_DIRECT];
      SetLatency(writer, kLatency, {}, &of.container, own, start_ns());
      Put(writer, kSeconds, &of.container, Seconds(own));
      Put(writer, kReclaims, &of.container, static_cast<double>(Count(own)));
      Put(writer, kAsync, &of.container, Seconds(of.kinds[RECLAIM_ASYNC]));
      Put(writer, kCompaction, &of.container, Seconds(of.kinds[RECLAIM_COMPACTION]));
      Put(writer, kStall, &of.container, Seconds(of.kinds[RECLAIM_STALL]));
    }
    Put(writer, kWithoutRoom, nullptr, static_cast<double>(subjects().without_room()));
  }

 private:
  static void Put(MetricWriter& writer, Metric metric, const v1::Container* container,
                  double value) {
    writer.Set(metric, {}, container, value);
  }
};

// Since 7.x vmpressure() has one argument more, its second.
absl::Status Prepare(BpfObject& object) {
  const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
  if (kernel == nullptr) return Unavailable("reclaim: the kernel has no BTF");
  const int id = btf__find_by_name_kind(kernel.get(), "vmpressure", BTF_KIND_FUNC);
  if (id < 0) return absl::OkStatus();  // the programs that need it will not attach
  const btf_type* function = btf__type_by_id(kernel.get(), static_cast<uint32_t>(id));
  const btf_type* arguments = btf__type_by_id(kernel.get(), function->type);
  return object.SetConstant("vmpressure_has_order", btf_vlen(arguments) >= 6 ? 1 : 0);
}

constexpr auto kOpen = &OpenCounting<reclaim_bpf, Reclaim, &Prepare>;

constexpr std::string_view kFentry[] = {"reclaim_share_fentry",  "reclaim_begin",
                                        "reclaim_end",           "reclaim_memcg_begin",
                                        "reclaim_memcg_end",     "reclaim_kswapd_wake",
                                        "reclaim_kswapd_sleep",  "reclaim_compaction_begin",
                                        "reclaim_compaction_end"};
constexpr std::string_view kKprobe[] = {"reclaim_share_kprobe",  "reclaim_begin",
                                        "reclaim_end",           "reclaim_memcg_begin",
                                        "reclaim_memcg_end",     "reclaim_kswapd_wake",
                                        "reclaim_kswapd_sleep",  "reclaim_compaction_begin",
                                        "reclaim_compaction_end"};
constexpr auto kTracepoints = std::span(kFentry).subspan(1);
constexpr Mechanism kMechanisms[] = {
    {"tp_btf+fentry", "", kOpen, kFentry},
    {"tp_btf+kprobe", "", kOpen, kKprobe},
    {"tp_btf", kContainerAsync, kOpen, kTracepoints},
};

constexpr MetricSource kSources[] = {
    {"huatuo_container_memory_async_reclaim_",
     "vmpressure, mm_vmscan_kswapd_wake, mm_vmscan_kswapd_sleep, mm_vmscan_memcg_reclaim_begin, "
     "mm_vmscan_memcg_reclaim_end"},
    {"huatuo_node_memory_async_reclaim_",
     "mm_vmscan_kswapd_wake, mm_vmscan_kswapd_sleep, mm_vmscan_memcg_reclaim_begin, "
     "mm_vmscan_memcg_reclaim_end"},
    {"huatuo_node_memory_compaction_", "mm_compaction_begin, mm_compaction_end"},
    {"huatuo_node_memory_alloc_stall_",
     "mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_end"},
    {"huatuo_container_memory_alloc_stall_",
     "mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_end"},
    {"huatuo_container_memory_compaction_", "mm_compaction_begin, mm_compaction_end"},
    {"",
     "mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_end, mm_vmscan_memcg_reclaim_begin, "
     "mm_vmscan_memcg_reclaim_end"},
};

}  // namespace

extern constexpr Unit kReclaim = {
    .name = "reclaim",
    .help = "Time that is spent to find free memory.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
    .shed_order = 2,
};

}  // namespace huatuo
