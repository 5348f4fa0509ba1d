#include "collector/units/dropwatch_instance.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <array>
#include <numeric>

#include "bpf/dropwatch.h"
#include "bpf/dropwatch.skel.h"
#include "collector/kernel/drop_reasons.h"
#include "collector/kernel/packet_drops.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/units/dropwatch_counters.h"
#include "collector/units/dropwatch_filter.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// What the kernel calls a drop without a reason; before 5.17 all are.
constexpr std::string_view kUnspecified = "NOT_SPECIFIED";

struct Silence {
  uint32_t slot;
  std::string_view cause;
};
constexpr Silence kSilences[] = {{DROP_SILENT_NORMAL, "normal_reason"},
                                 {DROP_SILENT_NOT_IP, "not_ip"},
                                 {DROP_SILENT_OWN, "own_connection"},
                                 {DROP_SILENT_FILTERED, "filtered"}};

using Text = std::array<char, DROP_REASON_LEN>;

// As slot_of in bpf/dropwatch.bpf.c.
uint32_t SlotOf(uint32_t reason) {
  const uint32_t subsystem = reason >> DROP_SUBSYS_SHIFT;
  const uint32_t number = reason & 0xffff;
  if (subsystem == 0 && number < DROP_CORE_SLOTS) return number;
  if (subsystem >= 1 && subsystem <= DROP_SUBSYSTEMS && number < DROP_SUBSYS_SLOTS) {
    return DROP_CORE_SLOTS + (subsystem - 1) * DROP_SUBSYS_SLOTS + number;
  }
  return DROP_SLOT_OTHER;
}

// The names of the slots that have one.
std::map<uint32_t, std::string> SlotNames(const DropReasons& reasons) {
  std::map<uint32_t, std::string> slots;
  for (const auto& [number, name] : reasons.names()) slots[SlotOf(number)] = name;
  slots[DROP_SLOT_OTHER] = "~other";
  slots[DROP_TRAPPED] = "device_trap";
  if (reasons.names().empty()) slots[0] = kUnspecified;
  return slots;
}

void WriteCounters(const Root& root, MetricWriter& writer) {
  EachDropCounter(root, [&](std::string_view layer, std::string_view counter, uint64_t value) {
    const std::string_view labels[] = {layer, counter};
    writer.Set(kDropCounters, labels, nullptr, static_cast<double>(value));
  });
}

// One instance tells the other units which packets were dropped: the one that sees all drops.
bool Remembers(const OpenRequest& request, const Resources& resources) {
  return request.instance_id == 0 && resources.packet_drops != nullptr;
}

class DropProbe : public SkeletonInstance {
 public:
  DropProbe(std::unique_ptr<BpfObject> object, const OpenRequest& request,
            const Resources& resources, DropReasons reasons)
      : SkeletonInstance(std::move(object), request, resources.context),
        root_(resources.root),
        drops_(Remembers(request, resources) ? resources.packet_drops : nullptr),
        reasons_(std::move(reasons)),
        slots_(SlotNames(reasons_)) {}
  ~DropProbe() override {
    if (drops_ != nullptr) drops_->SetWatched(false).IgnoreError();
  }

  // Before Start, so that the first record has its reason's name.
  absl::Status NameReasons() {
    for (const auto& [slot, name] : slots_) {
      Text text{};
      name.copy(text.data(), text.size() - 1);
      // What shares a slot has no name of its own, and a device says its own.
      if (slot >= DROP_SLOT_OTHER) continue;
      if (bpf_map_update_elem(object().MapFd("reason_names"), &slot, text.data(), BPF_ANY) != 0) {
        return ErrnoStatus(errno, "name the reasons of dropwatch");
      }
    }
    return absl::OkStatus();
  }

  absl::Status SetFilter(std::string_view text) override {
    const absl::StatusOr<drop_filter> filter = MakeDropFilter(text, reasons_);
    if (!filter.ok()) return Annotate(filter.status(), "filter");
    const uint32_t next = 1 - filter_in_use_;
    RETURN_IF_ERROR(object().SetTunable("filters", next, std::as_bytes(std::span(&*filter, 1))));
    RETURN_IF_ERROR(object().SetTunable("filter_in_use", next));
    filter_in_use_ = next;
    return absl::OkStatus();
  }

  absl::Status StartToTell() {
    RETURN_IF_ERROR(Start());
    return drops_ == nullptr ? absl::OkStatus() : drops_->SetWatched(true);
  }

  uint64_t MapBytes() const override {
    return SkeletonInstance::MapBytes() + (drops_ == nullptr ? 0 : drops_->MapBytes());
  }

  void Collect(MetricWriter& writer) override {
    for (const auto& [slot, name] : slots_) {
      const uint64_t count = Count(slot);
      const std::string_view label[] = {name};
      if (count > 0) writer.Set(kDropsByReason, label, nullptr, static_cast<double>(count));
    }
    for (const Silence& silence : kSilences) {
      const std::string_view label[] = {silence.cause};
      writer.Set(kDropsUnreported, label, nullptr, static_cast<double>(Count(silence.slot)));
    }
    WriteCounters(root_, writer);
  }

 private:
  uint64_t Count(uint32_t slot) const {
    std::vector<uint64_t> cpus(PossibleCpus());
    if (bpf_map_lookup_elem(object().MapFd("drops"), &slot, cpus.data()) != 0) return 0;
    return std::accumulate(cpus.begin(), cpus.end(), uint64_t{0});
  }

  const Root& root_;
  PacketDrops* const drops_;  // null: not this instance
  const DropReasons reasons_;
  const std::map<uint32_t, std::string> slots_;
  uint32_t filter_in_use_ = 0;
};

class DropCounters : public Instance {
 public:
  explicit DropCounters(const Root& root) : root_(root) {}
  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }
  void Collect(MetricWriter& writer) override { WriteCounters(root_, writer); }

 private:
  const Root& root_;
};

std::array<uint8_t, DROP_REASON_SLOTS> NormalSlots(const DropReasons& reasons) {
  std::array<uint8_t, DROP_REASON_SLOTS> normal{};
  for (const auto& [number, name] : reasons.names()) {
    if (IsNormalDrop(name)) normal[SlotOf(number)] = 1;
  }
  return normal;
}

// Not those that this kernel does not have, or hides the place of.
std::array<drop_code, DROP_CODES> NormalCode(Context& context) {
  std::array<drop_code, DROP_CODES> all{};
  size_t count = 0;
  for (const NormalPlace& place : NormalPlaces()) {
    const std::optional<CodeRange> code = context.FunctionAt(std::string(place.function));
    if (code.has_value()) all[count++] = {code->begin, code->bytes, place.only_fin ? 1UL : 0};
  }
  return all;
}

// The programs of the mechanism that have their tracepoint here: a kernel can be built without
// devlink.
std::vector<std::string_view> ProgramsHere(const Mechanism& mechanism) {
  const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
  const bool devlink =
      kernel != nullptr &&
      btf__find_by_name_kind(kernel.get(), "btf_trace_devlink_trap_report", BTF_KIND_TYPEDEF) > 0;
  std::vector<std::string_view> programs;
  for (const std::string_view program : mechanism.programs) {
    if (devlink || !program.starts_with("device_trap")) programs.push_back(program);
  }
  return programs;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Instance>> OpenDropProbe(const OpenRequest& request,
                                                        const Resources& resources) {
  const std::vector<std::string_view> programs = ProgramsHere(*request.mechanism);
  Mechanism here = *request.mechanism;
  here.programs = programs;
  OpenRequest narrowed = request;
  narrowed.mechanism = &here;
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   PrepareObject(Elf<dropwatch_bpf>(), narrowed, resources));
  DropReasons reasons = DropReasons::OfThisKernel();
  const auto normal = NormalSlots(reasons);
  RETURN_IF_ERROR(object->SetConstant("normal_reasons", std::as_bytes(std::span(normal))));
  RETURN_IF_ERROR(
      object->SetConstant("unspecified_reason", reasons.Number(kUnspecified).value_or(0)));
  const auto places = NormalCode(resources.context);
  RETURN_IF_ERROR(object->SetConstant("normal_places", std::as_bytes(std::span(places))));
  RETURN_IF_ERROR(object->SetConstant("server_port", resources.server_port));
  const bool remembers = Remembers(request, resources);
  RETURN_IF_ERROR(object->SetConstant("remembers", remembers ? 1 : 0));
  if (remembers) RETURN_IF_ERROR(resources.packet_drops->ShareWith(*object));
  RETURN_IF_ERROR(object->Load());
  auto probe =
      std::make_unique<DropProbe>(std::move(object), request, resources, std::move(reasons));
  RETURN_IF_ERROR(probe->NameReasons());
  RETURN_IF_ERROR(probe->SetFilter(request.filter.text));
  RETURN_IF_ERROR(probe->StartToTell());
  return probe;
}

absl::StatusOr<std::unique_ptr<Instance>> OpenDropCounters(const OpenRequest& request,
                                                           const Resources& resources) {
  if (request.instance_id != 0) return FailedPrecondition("counters tell nothing of a packet");
  return std::make_unique<DropCounters>(resources.root);
}

}  // namespace huatuo
