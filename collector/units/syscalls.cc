// How long chosen system calls take, of the node and of each container.
#include "bpf/syscalls.h"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bpf/syscalls.skel.h"
#include "collector/instance.h"
#include "collector/kernel/bpf_object.h"
#include "collector/kernel/latency_metric.h"
#include "collector/kernel/subject_latency.h"
#include "collector/syscalls.h"
#include "collector/unit.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

static_assert(kMaxSyscalls <= SUBJECT_KINDS);

enum Metric : size_t { kNode, kContainer, kWithoutRoom };

constexpr std::string_view kLabels[] = {"syscall"};

constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_syscall_latency_seconds",
     .help = "Time from entering to leaving the system call; of those that the filter names.",
     .type = v1::MetricType::HISTOGRAM,
     .labels = kLabels,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_container_syscall_latency_seconds",
     .help = "Time that the container's tasks were in the system call.",
     .type = v1::MetricType::HISTOGRAM,
     .labels = kLabels,
     .container = true,
     .first_bound = kLatencyFirstBound,
     .buckets = kLatencyBounds},
    {.name = "huatuo_collector_syscalls_overflowed_total",
     .help = "System calls that count for the node only: of too many cgroups.",
     .type = v1::MetricType::COUNTER},
};

// What is attached for one choice of system calls.
struct Probe {
  std::vector<Syscall> chosen;
  std::unique_ptr<BpfObject> object;
  SubjectLatencies subjects;
  int64_t start_ns = 0;
};

absl::StatusOr<std::unique_ptr<BpfObject>> Attach(const Unit& unit, const Mechanism& mechanism,
                                                  std::span<const Syscall> chosen) {
  std::array<uint8_t, SYSCALLS_NUMBERS> kinds{};
  for (size_t i = 0; i < chosen.size(); ++i) {
    kinds.at(chosen[i].number) = static_cast<uint8_t>(i + 1);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   BpfObject::Open(std::string(unit.name), Elf<syscalls_bpf>()));
  RETURN_IF_ERROR(object->Select(mechanism.programs));
  RETURN_IF_ERROR(object->SetConstant("kind_of", std::as_bytes(std::span(kinds))));
  RETURN_IF_ERROR(object->Load());
  RETURN_IF_ERROR(object->Attach());
  return object;
}

class Syscalls : public Instance {
 public:
  Syscalls(const OpenRequest& request, const Resources& resources)
      : unit_(*request.unit), mechanism_(*request.mechanism), resources_(resources) {}

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }

  // All that is measured begins anew.
  absl::Status SetFilter(std::string_view text) override {
    absl::StatusOr<std::vector<Syscall>> chosen = ParseSyscalls(text);
    if (!chosen.ok()) return Annotate(chosen.status(), "filter");
    if (chosen->empty()) {
      probe_.reset();
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object, Attach(unit_, mechanism_, *chosen));
    const BpfObject& attached = *object;
    probe_.reset(new Probe{std::move(*chosen),
                           std::move(object),
                           {attached, resources_.context},
                           resources_.clock.WallNs()});
    return absl::OkStatus();
  }

  void Stop() override {
    if (probe_ != nullptr) probe_->object->Detach();
  }
  void OnContainers() override {
    if (probe_ != nullptr) probe_->subjects.Keep(resources_.context.LiveContainers());
  }
  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    if (probe_ != nullptr) probe_->object->AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return probe_ == nullptr ? 0 : probe_->object->MapBytes(); }

  void Collect(MetricWriter& writer) override {
    if (probe_ == nullptr) return;
    SubjectLatencies& subjects = probe_->subjects;
    subjects.Read();
    for (uint32_t i = 0; i < probe_->chosen.size(); ++i) {
      const std::string_view label[] = {probe_->chosen[i].name};
      SetLatency(writer, kNode, label, nullptr, subjects.Node(i), probe_->start_ns);
      for (const auto& [id, of] : subjects.containers()) {
        if (Count(of.kinds[i]) == 0) continue;
        SetLatency(writer, kContainer, label, &of.container, of.kinds[i], probe_->start_ns);
      }
    }
    writer.Set(kWithoutRoom, {}, nullptr, static_cast<double>(subjects.without_room()));
  }

 private:
  const Unit& unit_;
  const Mechanism& mechanism_;
  const Resources& resources_;
  std::unique_ptr<Probe> probe_;  // null: nobody asks
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  if (resources.ring_fd < 0) return Unavailable(resources.no_ring);
  auto instance = std::make_unique<Syscalls>(request, resources);
  RETURN_IF_ERROR(instance->SetFilter(request.filter.text));
  return instance;
}

constexpr std::string_view kPrograms[] = {"syscalls_enter", "syscalls_exit"};
constexpr Mechanism kMechanisms[] = {{"raw_tp", "", &Open, kPrograms}};

constexpr MetricSource kSources[] = {{"", "raw_syscalls: sys_enter, sys_exit"}};

}  // namespace

extern constexpr Unit kSyscalls = {
    .name = "syscalls",
    .help =
        "How long system calls take: those that the filter names, as in read,openat,fsync, at "
        "most 16. Without a filter nothing is attached, because the hooks are at every system "
        "call of the node.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
    .shed_order = 1,
    .filter = "syscalls",
};

}  // namespace huatuo
