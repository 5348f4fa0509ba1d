// Memory of the host and of each container, as procfs and cgroupfs tell it.
#include "collector/enrich/hierarchies.h"
#include "collector/procfs/file_reader.h"
#include "collector/procfs/group_folder.h"
#include "collector/procfs/key_index.h"
#include "collector/procfs/scan.h"
#include "collector/units/memory_rows.h"
#include "collector/units/memory_vmstat_rows.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr auto kGauge = v1::MetricType::GAUGE;
constexpr std::string_view kEventLabel[] = {"event"};
constexpr std::string_view kBlockLabels[] = {"numa_node", "zone", "order"};

constexpr std::array<MetricType, 4> kOwn = {{
    {"huatuo_node_buddyinfo_blocks", "Free blocks of 2^order pages.", kGauge, kBlockLabels},
    {"huatuo_container_memory_events_total",
     "How often the container met a limit: low, high, max; oom: tried to kill; oom_kill: processes "
     "killed, oom_group_kill: all at once. cgroup v1 has max and oom_kill.",
     v1::MetricType::COUNTER, kEventLabel, true},
    {"huatuo_container_memory_usage_bytes",
     "Memory that is charged to the container, page cache included.",
     kGauge,
     {},
     true},
    {"huatuo_container_memory_limit_bytes",
     "Memory that the container may use; absent without a limit.",
     kGauge,
     {},
     true},
}};

constexpr auto kMetrics = Concatenate(
    kOwn,
    RowMetrics<kVmstatRows, "huatuo_node_vmstat_", RowType{v1::MetricType::UNTYPED}>::kMetrics,
    RowMetrics<kMeminfoRows, "huatuo_node_meminfo_", RowType{kGauge}>::kMetrics,
    RowMetrics<kMemoryStatRows, "huatuo_container_memory_stat_",
               RowType{v1::MetricType::UNTYPED, true}>::kMetrics);

enum Metric : size_t {
  kBuddyinfo,
  kEvents,
  kUsage,
  kLimit,
  kVmstat,
  kMeminfo = kVmstat + std::size(kVmstatRows),
  kStat = kMeminfo + std::size(kMeminfoRows),
};

// Labels of memory_events_total by the key in the file.
constexpr KeyRow kEventRows[] = {{"low", ""},           {"high", ""},     {"max", ""},
                                 {"oom", ""},           {"oom_kill", ""}, {"oom_group_kill", ""},
                                 {"sock_throttled", ""}};
constexpr std::string_view kMaxEvent = "max";

// cgroup v1 writes the largest multiple of a page for "no limit".
constexpr double kNoLimit = 4e18;

std::string_view V1Name(std::string_view key) {
  for (const MemoryStatV1& row : kMemoryStatV1) {
    if (row.key == key) return row.v1;
  }
  return "";
}

KeyIndex StatIndexV1() {
  KeyIndex index;
  for (size_t i = 0; i < std::size(kMemoryStatRows); ++i) {
    const std::string_view key = kMemoryStatRows[i].key;
    const std::string_view other = V1Name(key);
    index.Add(other.empty() ? "total_" + std::string(key) : std::string(other), i);
  }
  return index;
}

bool IsPrintable(std::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

class Memory : public Instance {
 public:
  Memory(const OpenRequest& request, const Resources& resources)
      : context_(resources.context),
        files_(resources.root, request, resources.sink),
        hierarchies_(ReadHierarchies(resources.root).value_or(std::vector<Hierarchy>())) {
    OnContainers();
  }

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }

  void OnContainers() override {
    RenewGroups(context_, groups_, [this](const LiveContainer& live) { return MakeGroup(live); });
  }

  void Collect(MetricWriter& writer) override {
    SetRows(vmstat_, vmstat_index_, kVmstat, nullptr, writer);
    SetRows(meminfo_, meminfo_index_, kMeminfo, nullptr, writer);
    SetBuddyinfo(writer);
    for (auto& [subject, group] : groups_) CollectGroup(group, writer);
  }

 private:
  struct Group {
    v1::Container container;
    bool v2;
    KeptFile stat, events, usage, limit;
    KeptFile failures;  // v1: how often the limit was met
  };

  std::optional<Group> MakeGroup(const LiveContainer& live) const {
    const GroupFolder folder = FolderOf(context_, hierarchies_, live, "memory");
    if (folder.path.empty()) return std::nullopt;
    const auto file = [&](std::string_view v2, std::string_view v1) {
      return KeptFile(folder.path + "/" + std::string(folder.v2 ? v2 : v1), Presence::kOptional);
    };
    return Group{live.container,
                 folder.v2,
                 file("memory.stat", "memory.stat"),
                 file("memory.events", "memory.oom_control"),
                 file("memory.current", "memory.usage_in_bytes"),
                 file("memory.max", "memory.limit_in_bytes"),
                 file("", "memory.failcnt")};
  }

  void SetRows(KeptFile& file, KeyIndex& index, size_t first, const v1::Container* container,
               MetricWriter& writer) {
    const auto text = files_.Read(file);
    if (!text) return;
    const auto readings = index.Parse(*text);
    if (!readings) return files_.CountMalformed();
    for (const KeyReading& one : *readings) writer.Set(first + one.row, {}, container, one.value);
  }

  // A file of one number; "max" is none.
  std::optional<double> Number(KeptFile& file) {
    auto text = files_.Read(file);
    if (!text) return std::nullopt;
    const auto line = Line(*text);
    if (line == "max") return std::nullopt;
    const auto number = line && text->empty() ? ParseCount(*line) : std::nullopt;
    if (!number) files_.CountMalformed();
    return number;
  }

  void CollectGroup(Group& group, MetricWriter& writer) {
    const v1::Container* const container = &group.container;
    SetRows(group.stat, group.v2 ? stat_index_ : stat_index_v1_, kStat, container, writer);
    if (const auto usage = Number(group.usage)) writer.Set(kUsage, {}, container, *usage);
    if (const auto limit = Number(group.limit); limit && *limit < kNoLimit) {
      writer.Set(kLimit, {}, container, *limit);
    }
    SetEvents(group, writer);
    if (group.v2) return;
    if (const auto failures = Number(group.failures)) {
      writer.Set(kEvents, {&kMaxEvent, 1}, container, *failures);
    }
  }

  void SetEvents(Group& group, MetricWriter& writer) {
    const auto text = files_.Read(group.events);
    if (!text) return;
    const auto readings = (group.v2 ? event_index_ : event_index_v1_).Parse(*text);
    if (!readings) return files_.CountMalformed();
    for (const KeyReading& one : *readings) {
      writer.Set(kEvents, {&kEventRows[one.row].key, 1}, &group.container, one.value);
    }
  }

  // "Node 0, zone   Normal   4635   5556 ...": free blocks of order 0, 1, ...
  struct Blocks {
    std::string_view node, zone;
    std::array<double, 32> free;
    size_t orders = 0;
  };
  static std::optional<Blocks> ParseZone(std::string_view line) {
    Blocks blocks;
    if (Word(line) != "Node") return std::nullopt;
    blocks.node = Word(line);
    if (!blocks.node.ends_with(',') || Word(line) != "zone") return std::nullopt;
    blocks.node.remove_suffix(1);
    blocks.zone = Word(line);
    if (!IsPrintable(blocks.node) || !IsPrintable(blocks.zone)) return std::nullopt;
    for (auto word = Word(line); !word.empty(); word = Word(line)) {
      const auto count = ParseCount(word);
      if (!count || blocks.orders == blocks.free.size()) return std::nullopt;
      blocks.free[blocks.orders++] = *count;
    }
    return blocks;
  }

  void SetBuddyinfo(MetricWriter& writer) {
    auto text = files_.Read(buddyinfo_);
    if (!text) return;
    zones_.clear();
    while (const auto line = Line(*text)) {
      const auto blocks = ParseZone(*line);
      if (!blocks) return files_.CountMalformed();
      zones_.push_back(*blocks);
    }
    if (!text->empty()) return files_.CountMalformed();
    for (const Blocks& zone : zones_) SetZone(zone, writer);
  }

  static void SetZone(const Blocks& zone, MetricWriter& writer) {
    for (size_t order = 0; order < zone.orders; ++order) {
      char number[4];
      const char* const end = std::to_chars(number, number + sizeof(number), order).ptr;
      const std::string_view labels[] = {zone.node, zone.zone, {number, end}};
      writer.Set(kBuddyinfo, labels, nullptr, zone.free[order]);
    }
  }

  Context& context_;
  FileReader files_;
  const std::vector<Hierarchy> hierarchies_;
  std::map<uint32_t, Group> groups_;  // by LiveContainer::subject
  std::vector<Blocks> zones_;
  KeptFile vmstat_{"/proc/vmstat"};
  KeptFile meminfo_{"/proc/meminfo"};
  KeptFile buddyinfo_{"/proc/buddyinfo"};
  KeyIndex vmstat_index_{kVmstatRows};
  KeyIndex meminfo_index_{kMeminfoRows};
  KeyIndex stat_index_{kMemoryStatRows};
  KeyIndex stat_index_v1_ = StatIndexV1();
  KeyIndex event_index_{kEventRows};
  KeyIndex event_index_v1_{kEventRows};
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  RETURN_IF_ERROR(resources.root.Read("/proc/meminfo").status());
  return std::make_unique<Memory>(request, resources);
}

constexpr Mechanism kMechanisms[] = {{"procfs", "", &Open}};

constexpr MetricSource kSources[] = {
    {"huatuo_node_vmstat_", "/proc/vmstat", true},
    {"huatuo_node_meminfo_", "/proc/meminfo", true},
    {"huatuo_node_buddyinfo_", "/proc/buddyinfo"},
    {"huatuo_container_memory_stat_", "cgroup: memory.stat", true},
    {"huatuo_container_memory_events_",
     "cgroup: memory.events; v1: memory.failcnt, memory.oom_control"},
    {"huatuo_container_memory_usage_", "cgroup: memory.current; v1: memory.usage_in_bytes"},
    {"huatuo_container_memory_limit_", "cgroup: memory.max; v1: memory.limit_in_bytes"},
};

}  // namespace

extern constexpr Unit kMemory = {
    .name = "memory",
    .help = "Memory of the host and of each container: use, limits, reclaim and what it cost.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
