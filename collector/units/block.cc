// How long the requests of each disk and container take, by stage and operation, from the kernel's
// own stamps.
#include "bpf/block.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/block.skel.h"
#include "collector/kernel/counting_instance.h"
#include "collector/kernel/latency_metric.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

enum Metric : size_t {
  kD2c,
  kQ2c,
  kQ2d,
  kFlush,
  kFreezes,
  kUntimed,
  kContainerD2c,
  kContainerQ2c,
  kContainerQ2d,
  kContainerReads,
  kContainerReadSeconds,
  kContainerWrites,
  kContainerWriteSeconds,
  kWithoutRoom,
};

constexpr auto kHistogram = v1::MetricType::HISTOGRAM;
constexpr auto kCounter = v1::MetricType::COUNTER;

constexpr std::string_view kRequestLabels[] = {"device", "op"};
constexpr std::string_view kDeviceLabel[] = {"device"};
constexpr std::string_view kOpLabel[] = {"op"};
constexpr std::string_view kReasonLabel[] = {"reason"};

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_disk_d2c_latency_seconds",
     .help = "Time that the disk took: from the request's dispatch to its driver to its end. "
             "Device mapper and md have no requests: see the disks below them.",
     .type = kHistogram,
     .labels = kRequestLabels,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_disk_q2c_latency_seconds",
     .help = "Time from the making of the request to its end.",
     .type = kHistogram,
     .labels = kRequestLabels,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_disk_q2d_latency_seconds",
     .help = "Time that the request waited in the IO scheduler, before its dispatch.",
     .type = kHistogram,
     .labels = kRequestLabels,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_disk_flush_latency_seconds",
     .help = "Time that the disk took to write its own cache, when it was told to.",
     .type = kHistogram,
     .labels = kDeviceLabel,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_node_disk_freezes_total",
     .help = "Times that the disk's queue was stopped, as for a change of its settings. Before "
             "5.15 of no named device.",
     .type = kCounter,
     .labels = kDeviceLabel},
    {.name = "huatuo_node_disk_untimed_requests_total",
     .help = "Requests that are not in the latencies. unstamped: the device keeps no statistics; "
             "undispatched: in q2c alone, as the kernel did not note the dispatch; no_room: of too "
             "many devices.",
     .type = kCounter,
     .labels = kReasonLabel},
    {.name = "huatuo_container_disk_d2c_latency_seconds",
     .help = "Time that the disks took for reads and writes on the container's account, from the "
             "dispatch to the end. On cgroup v2 the io controller must be on for the container.",
     .type = kHistogram,
     .labels = kOpLabel,
     .container = true,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds,
     .on_request = true},
    {.name = "huatuo_container_disk_q2c_latency_seconds",
     .help = "Time from the making of a request on the container's account to its end.",
     .type = kHistogram,
     .labels = kOpLabel,
     .container = true,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds,
     .on_request = true},
    {.name = "huatuo_container_disk_q2d_latency_seconds",
     .help = "Time that a request on the container's account waited in the IO scheduler.",
     .type = kHistogram,
     .labels = kOpLabel,
     .container = true,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds,
     .on_request = true},
    {.name = "huatuo_container_disk_reads_total",
     .help = "Reads on the container's account that completed.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_container_disk_read_seconds_total",
     .help = "Time from the making of these reads to their end, summed.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_container_disk_writes_total",
     .help = "Writes on the container's account that completed.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_container_disk_write_seconds_total",
     .help = "Time from the making of these writes to their end, summed.",
     .type = kCounter,
     .container = true},
    {.name = "huatuo_collector_block_overflowed_total",
     .help = "Stages of requests that count for the disk only: of too many cgroups.",
     .type = kCounter},
};

constexpr std::array<std::string_view, BLOCK_OPS> kOps = {"read", "write", "flush", "discard",
                                                          "other"};
constexpr std::array<std::string_view, BLOCK_COUNTS> kReasons = {"unstamped", "undispatched",
                                                                 "no_room"};

// The name that the kernel gives to the device; nullopt: it is gone.
std::optional<std::string> DeviceName(const Root& root, const block_key& key) {
  if (key.major == 0 && key.minor == 0) return std::string();
  const auto uevent = root.Read(fmt::format("/sys/dev/block/{}:{}/uevent", key.major, key.minor));
  if (!uevent.ok()) return std::nullopt;
  constexpr std::string_view kName = "DEVNAME=";
  const size_t at = uevent->find(kName);
  if (at == std::string::npos) return std::nullopt;
  const size_t end = uevent->find('\n', at);
  return uevent->substr(at + kName.size(),
                        end == std::string::npos ? end : end - at - kName.size());
}

class Block : public SubjectInstance {
 public:
  Block(std::unique_ptr<BpfObject> object, const Resources& resources)
      : SubjectInstance(std::move(object), resources), root_(resources.root) {}

  void Collect(MetricWriter& writer) override {
    names_.clear();
    Each<block_latency>("latencies", [&](const block_key& key, const std::string& device,
                                         const block_latency& latency) {
      WriteLatency(writer, key.op, device, latency);
    });
    Each<uint64_t>("freezes",
                   [&](const block_key&, const std::string& device, const uint64_t& count) {
                     const std::string_view labels[] = {device};
                     writer.Set(kFreezes, labels, nullptr, static_cast<double>(count));
                   });
    for (uint32_t i = 0; i < BLOCK_COUNTS; ++i) {
      const std::string_view labels[] = {kReasons[i]};
      writer.Set(kUntimed, labels, nullptr, static_cast<double>(Count(i)));
    }
    CollectContainers(writer);
  }

 private:
  // Calls `take` for each entry; those of devices that are gone are removed.
  template <typename Value, typename Take>
  void Each(const std::string& map, const Take& take) {
    const int fd = object().MapFd(map);
    std::vector<block_key> gone;
    block_key key{};
    Value value{};
    for (const block_key* last = nullptr; bpf_map_get_next_key(fd, last, &key) == 0; last = &key) {
      if (bpf_map_lookup_elem(fd, &key, &value) != 0) continue;
      const std::optional<std::string>& name = NameOf(key);
      if (name.has_value()) {
        take(key, *name, value);
      } else {
        gone.push_back(key);
      }
    }
    for (const block_key& each : gone) bpf_map_delete_elem(fd, &each);
  }

  void CollectContainers(MetricWriter& writer) {
    subjects().Read();
    for (const auto& [id, of] : subjects().containers()) {
      for (const uint32_t op : {BLOCK_READ, BLOCK_WRITE}) WriteContainer(writer, of, op);
    }
    writer.Set(kWithoutRoom, {}, nullptr, static_cast<double>(subjects().without_room()));
  }

  // A container without a disk has nothing to tell.
  void WriteContainer(MetricWriter& writer, const SubjectLatencies::Of& of, uint32_t op) const {
    constexpr std::pair<Metric, uint32_t> kStages[] = {
        {kContainerD2c, BLOCK_D2C}, {kContainerQ2c, BLOCK_Q2C}, {kContainerQ2d, BLOCK_Q2D}};
    for (const auto& [metric, stage] : kStages) {
      const latency& own = of.kinds[BLOCK_KIND(op, stage)];
      if (huatuo::Count(own) == 0) continue;
      SetLatency(writer, metric, {&kOps[op], 1}, &of.container, own, start_ns());
    }
    const latency& whole = of.kinds[BLOCK_KIND(op, BLOCK_Q2C)];
    if (huatuo::Count(whole) == 0) return;
    const auto [count, seconds] = op == BLOCK_READ
                                      ? std::pair(kContainerReads, kContainerReadSeconds)
                                      : std::pair(kContainerWrites, kContainerWriteSeconds);
    writer.Set(count, {}, &of.container, static_cast<double>(huatuo::Count(whole)));
    writer.Set(seconds, {}, &of.container, Seconds(whole));
  }

  const std::optional<std::string>& NameOf(const block_key& key) {
    const auto [it, made] = names_.try_emplace({key.major, key.minor});
    if (made) it->second = DeviceName(root_, key);
    return it->second;
  }

  void WriteLatency(MetricWriter& writer, uint32_t op, const std::string& device,
                    const block_latency& latency) const {
    if (op >= BLOCK_OPS) return;
    const std::string_view labels[] = {device, kOps[op]};
    if (op == BLOCK_FLUSH) {
      SetLatency(writer, kFlush, std::span(labels).first(1), nullptr, latency.q2c, start_ns());
      return;
    }
    SetLatency(writer, kD2c, labels, nullptr, latency.d2c, start_ns());
    SetLatency(writer, kQ2c, labels, nullptr, latency.q2c, start_ns());
    SetLatency(writer, kQ2d, labels, nullptr, latency.q2d, start_ns());
  }

  uint64_t Count(uint32_t index) const {
    std::vector<uint64_t> cpus(static_cast<size_t>(PossibleCpus()));
    if (bpf_map_lookup_elem(object().MapFd("block_counts"), &index, cpus.data()) != 0) return 0;
    return std::accumulate(cpus.begin(), cpus.end(), uint64_t{0});
  }

  const Root& root_;
  std::map<std::pair<uint32_t, uint32_t>, std::optional<std::string>> names_;  // of this round
};

constexpr auto kOpen = &OpenCounting<block_bpf, Block>;

constexpr std::string_view kNoFreezes = "huatuo_node_disk_freezes_total";
constexpr std::string_view kFentryInner[] = {"block_rq_complete_btf", "block_freeze_inner_fentry"};
constexpr std::string_view kFentry[] = {"block_rq_complete_btf", "block_freeze_fentry"};
constexpr std::string_view kKprobeInner[] = {"block_rq_complete_btf", "block_freeze_inner_kprobe"};
constexpr std::string_view kKprobe[] = {"block_rq_complete_btf", "block_freeze_kprobe"};
constexpr std::string_view kTyped[] = {"block_rq_complete_btf"};
constexpr std::string_view kRaw[] = {"block_rq_complete_raw"};
constexpr Mechanism kMechanisms[] = {
    // The newer function first: where there is none, the kernel calls the older one itself.
    {"tp_btf+fentry", "", kOpen, kFentryInner}, {"tp_btf+fentry", "", kOpen, kFentry},
    {"tp_btf+kprobe", "", kOpen, kKprobeInner}, {"tp_btf+kprobe", "", kOpen, kKprobe},
    {"tp_btf", kNoFreezes, kOpen, kTyped},      {"raw_tp", kNoFreezes, kOpen, kRaw},
};

constexpr MetricSource kSources[] = {
    {"huatuo_node_disk_freezes_total", "__blk_freeze_queue_start or blk_freeze_queue_start"},
    {"", "block_rq_complete"},
};

}  // namespace

extern constexpr Unit kBlock = {
    .name = "block",
    .help = "Latency of each disk, where it arose, and what stopped its queue.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
    .shed_order = 2,
};

}  // namespace huatuo
