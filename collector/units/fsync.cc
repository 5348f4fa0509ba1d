// How long writers wait until their file is on the disk.
#include <utility>
#include <vector>

#include "bpf/fsync.skel.h"
#include "collector/kernel/counting_instance.h"
#include "collector/kernel/latency_metric.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

enum Metric : size_t { kNode, kContainer, kWithoutRoom };

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_filesystem_fsync_latency_seconds",
     .help = "Time that tasks were blocked until one file was on the disk: fsync, fdatasync, msync "
             "and synchronous writes.",
     .type = v1::MetricType::HISTOGRAM,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_container_filesystem_fsync_latency_seconds",
     .help = "Time that tasks of the container were blocked until one file was on the disk.",
     .type = v1::MetricType::HISTOGRAM,
     .container = true,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_collector_fsync_overflowed_total",
     .help = "Waits that count for the node only: of too many cgroups.",
     .type = v1::MetricType::COUNTER},
};

class Fsync : public SubjectInstance {
 public:
  using SubjectInstance::SubjectInstance;

  void Collect(MetricWriter& writer) override {
    subjects().Read();
    SetLatency(writer, kNode, {}, nullptr, subjects().Node(0), start_ns());
    for (const auto& [id, of] : subjects().containers()) {
      SetLatency(writer, kContainer, {}, &of.container, of.kinds[0], start_ns());
    }
    writer.Set(kWithoutRoom, {}, nullptr, static_cast<double>(subjects().without_room()));
  }
};

constexpr auto kOpen = &OpenCounting<fsync_bpf, Fsync>;

constexpr std::string_view kFentry[] = {"fsync_fentry", "fsync_fexit"};
constexpr std::string_view kKprobe[] = {"fsync_kprobe", "fsync_kretprobe"};
constexpr std::string_view kExt4[] = {"fsync_ext4_enter", "fsync_ext4_exit"};
constexpr Mechanism kMechanisms[] = {
    {"fentry", "", kOpen, kFentry},
    {"kprobe", "", kOpen, kKprobe},
    {"raw_tp", "file systems other than ext4", kOpen, kExt4},
};

constexpr MetricSource kSources[] = {
    {"", "vfs_fsync_range; where it cannot be hooked ext4_sync_file_enter, ext4_sync_file_exit"},
};

}  // namespace

extern constexpr Unit kFsync = {
    .name = "fsync",
    .help = "How long writers wait until their file is on the disk.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
    .shed_order = 2,
};

}  // namespace huatuo
