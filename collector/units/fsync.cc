// How long writers wait until their file is on the disk.
#include <utility>
#include <vector>

#include "bpf/fsync.skel.h"
#include "collector/kernel/counting_instance.h"
#include "collector/kernel/latency_metric.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

enum Metric : size_t { kNode, kContainer, kContainerFsyncs, kContainerSeconds, kWithoutRoom };

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
     .buckets = kLatencyBounds,
     .on_request = true},
    {.name = "huatuo_container_filesystem_fsyncs_total",
     .help = "Files that tasks of the container have waited for until they were on the disk.",
     .type = v1::MetricType::COUNTER,
     .container = true},
    {.name = "huatuo_container_filesystem_fsync_seconds_total",
     .help = "Time that tasks of the container were blocked until their files were on the disk.",
     .type = v1::MetricType::COUNTER,
     .container = true},
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
      const latency& own = of.kinds[0];
      SetLatency(writer, kContainer, {}, &of.container, own, start_ns());
      writer.Set(kContainerFsyncs, {}, &of.container, static_cast<double>(Count(own)));
      writer.Set(kContainerSeconds, {}, &of.container, Seconds(own));
    }
    writer.Set(kWithoutRoom, {}, nullptr, static_cast<double>(subjects().without_room()));
  }
};

constexpr auto kOpen = &OpenCounting<fsync_bpf, Fsync>;

constexpr std::string_view kFentryAll[] = {"vfs_fsync_range_fentry", "vfs_fsync_range_fexit",
                                           "vfs_fsync_fentry",       "vfs_fsync_fexit",
                                           "do_fsync_fentry",        "do_fsync_fexit"};
constexpr auto kFentry = std::span(kFentryAll).first(4);
constexpr std::string_view kKprobeAll[] = {"vfs_fsync_range_kprobe", "vfs_fsync_range_kretprobe",
                                           "vfs_fsync_kprobe",       "vfs_fsync_kretprobe",
                                           "do_fsync_kprobe",        "do_fsync_kretprobe"};
constexpr auto kKprobe = std::span(kKprobeAll).first(4);
constexpr std::string_view kExt4[] = {"fsync_ext4_enter", "fsync_ext4_exit"};
constexpr Mechanism kMechanisms[] = {
    // Where there is no do_fsync it is inlined in system calls.
    {"fentry", "", kOpen, kFentryAll},
    {"fentry", "", kOpen, kFentry},
    {"kprobe", "", kOpen, kKprobeAll},
    {"kprobe", "", kOpen, kKprobe},
    {"raw_tp", "file systems other than ext4", kOpen, kExt4},
};

constexpr MetricSource kSources[] = {
    {"",
     "vfs_fsync_range, vfs_fsync, do_fsync; where they cannot be hooked ext4_sync_file_enter, "
     "ext4_sync_file_exit"},
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
