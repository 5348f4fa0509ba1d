#include "collector/roster.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>

#include "collector/parameters.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

Resources WithProfiles(Resources resources, ProfileSink* profiles) {
  resources.profiles = profiles;
  return resources;
}

}  // namespace

Roster::Roster(std::span<const Unit* const> units, const Resources& resources, TaskLedger& ledger)
    : units_(units),
      ledger_(ledger),
      profiles_(resources.profiles, ledger),
      resources_(WithProfiles(resources, &profiles_)) {
  for (size_t i = 0; i < units.size(); ++i) always_.push_back(NewSlot(static_cast<uint16_t>(i)));
}

Roster::~Roster() { CloseAll(); }

int Roster::UnitIndex(std::string_view name) const {
  for (size_t i = 0; i < units_.size(); ++i) {
    if (units_[i]->name == name) return static_cast<int>(i);
  }
  return -1;
}

Roster::Slot Roster::NewSlot(uint16_t unit_id) const {
  Slot slot;
  slot.unit_id = unit_id;
  slot.reason = "by configuration";
  for (const Parameter& parameter : units_[unit_id]->parameters) {
    slot.parameters.push_back(parameter.default_value);
  }
  slot.began.parameters = slot.parameters;
  return slot;
}

absl::Status Roster::OpenBy(const Mechanism& mechanism, Slot& slot) {
  const OpenRequest request{units_[slot.unit_id], &mechanism,  slot.unit_id,   slot.instance_id,
                            slot.task_id,         slot.filter, slot.parameters};
  ASSIGN_OR_RETURN(slot.instance, mechanism.open(request, resources_));
  slot.mechanism = &mechanism;
  const std::lock_guard lock(index_mutex_);
  index_[{slot.unit_id, slot.instance_id}] = slot.instance;
  return absl::OkStatus();
}

void Roster::OpenSlot(Slot& slot) {
  std::string reasons;
  for (const Mechanism& mechanism : units_[slot.unit_id]->mechanisms) {
    const absl::Status opened = OpenBy(mechanism, slot);
    if (opened.ok()) {
      slot.state = v1::UnitStatus::RUNNING;
      slot.reason = reasons;  // why not a better one
      return;
    }
    reasons +=
        fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", mechanism.name, Message(opened));
  }
  slot.state = v1::UnitStatus::UNAVAILABLE;
  slot.mechanism = nullptr;
  slot.reason = reasons;
}

void Roster::OpenLater(Slot& slot) {
  OpenSlot(slot);
  malloc_trim(0);
}

void Roster::CloseSlot(Slot& slot, v1::UnitStatus::State state, const std::string& reason) {
  {
    const std::lock_guard lock(index_mutex_);
    index_.erase({slot.unit_id, slot.instance_id});
  }
  if (slot.instance != nullptr && slot.instance_id == 0) {
    slot.instance->Stop();
    slot.before += slot.instance->counts();
  }
  slot.instance.reset();
  slot.mechanism = nullptr;
  slot.state = state;
  slot.reason = reason;
}

void Roster::OpenAll(const std::set<std::string>& off) {
  const std::lock_guard lock(mutex_);
  for (Slot& slot : always_) {
    const Unit& unit = *units_[slot.unit_id];
    slot.began = {!off.contains(std::string(unit.name)), slot.parameters, slot.filter.text};
    if (!slot.began.on) continue;
    OpenSlot(slot);
    if (slot.state == v1::UnitStatus::RUNNING) {
      LogInfo(fmt::format("unit {}: running by {}{}{}", unit.name, slot.mechanism->name,
                          slot.reason.empty() ? "" : ", not by ", slot.reason));
    } else {
      LogWarning(fmt::format("unit {}: unavailable: {}", unit.name, slot.reason));
    }
  }
}

void Roster::CloseAll() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, slot] : tasks_) CloseTask(slot, false, "stopped");
  tasks_.clear();
  for (Slot& slot : always_) CloseSlot(slot, v1::UnitStatus::OFF, "stopped");
}

Roster::Slot* Roster::Always(const std::string& unit) {
  const int index = UnitIndex(unit);
  return index < 0 ? nullptr : &always_[index];
}

absl::Status Roster::Tell(const Slot& slot, std::span<const uint64_t> values,
                          const std::string& filter) {
  Instance* instance = slot.instance.get();
  if (instance == nullptr) return absl::OkStatus();
  absl::Status status = filter == slot.filter.text ? absl::OkStatus() : instance->SetFilter(filter);
  if (!status.ok()) return status;
  for (size_t i = 0; status.ok() && i < values.size(); ++i) {
    if (values[i] != slot.parameters[i]) status = instance->SetParameter(i, values[i]);
  }
  if (status.ok()) return status;
  for (size_t i = 0; i < values.size(); ++i) {
    instance->SetParameter(i, slot.parameters[i]).IgnoreError();
  }
  if (filter != slot.filter.text) instance->SetFilter(slot.filter.text).IgnoreError();
  return status;
}

v1::ParameterReply Roster::SetParameters(const v1::SetParameters& request) {
  const std::lock_guard lock(mutex_);
  v1::ParameterReply reply;
  reply.set_request_id(request.request_id());
  Slot* slot = Always(request.unit());
  if (slot == nullptr) {
    reply.set_reason(fmt::format("unit: \"{}\": no such unit", request.unit()));
    return reply;
  }
  v1::UnitSettings settings;
  *settings.mutable_values() = request.values();
  if (request.has_filter()) settings.set_filter(request.filter());
  if (request.has_enabled()) settings.set_enabled(request.enabled());
  Wish wish{slot->state != v1::UnitStatus::OFF, slot->parameters, slot->filter.text};
  absl::Status status = AddTo(wish, *units_[slot->unit_id], settings);
  if (status.ok()) status = Fulfil(std::move(wish), *slot);
  if (!status.ok()) {
    reply.set_reason(Message(status));
    return reply;
  }
  reply.set_accepted(true);
  return reply;
}

bool Roster::Shed(const std::string& unit) {
  const std::lock_guard lock(mutex_);
  Slot* slot = Always(unit);
  if (slot == nullptr || slot->state != v1::UnitStatus::RUNNING) return false;
  CloseSlot(*slot, v1::UnitStatus::SHED, "over the overhead budget");
  const Unit& given_up = *units_[slot->unit_id];
  for (const Mechanism& mechanism : given_up.mechanisms) {
    if (mechanism.name != given_up.shed_mechanism) continue;
    const absl::Status opened = OpenBy(mechanism, *slot);
    if (!opened.ok()) slot->reason += fmt::format("; {}: {}", mechanism.name, Message(opened));
  }
  return true;
}

bool Roster::Restore(const std::string& unit) {
  const std::lock_guard lock(mutex_);
  Slot* slot = Always(unit);
  if (slot == nullptr || slot->state != v1::UnitStatus::SHED) return false;
  CloseSlot(*slot, v1::UnitStatus::OFF, "");
  OpenLater(*slot);
  return slot->state == v1::UnitStatus::RUNNING;
}

std::vector<int> Roster::Fds() const {
  const std::lock_guard lock(mutex_);
  std::vector<int> fds;
  const auto add = [&](const Slot& slot) {
    if (slot.instance != nullptr && slot.instance->fd() >= 0) fds.push_back(slot.instance->fd());
  };
  for (const Slot& slot : always_) add(slot);
  for (const auto& [id, slot] : tasks_) add(slot);
  return fds;
}

void Roster::Ready(int fd) {
  const std::lock_guard lock(mutex_);
  const auto ready = [&](Slot& slot) {
    if (slot.instance != nullptr && slot.instance->fd() == fd) slot.instance->Ready();
  };
  for (Slot& slot : always_) ready(slot);
  for (auto& [id, slot] : tasks_) ready(slot);
}

void Roster::OnContainers() {
  const std::lock_guard lock(mutex_);
  for (Slot& slot : always_) {
    if (slot.instance != nullptr) slot.instance->OnContainers();
  }
  for (auto& [id, slot] : tasks_) slot.instance->OnContainers();
}

void Roster::Collect(const WriterFor& writer) {
  for (Slot& slot : always_) {
    // The event thread waits for one unit at most, not for the whole round.
    const std::lock_guard lock(mutex_);
    if (slot.instance != nullptr) slot.instance->Collect(writer(slot.unit_id));
  }
}

v1::UnitStatus Roster::StatusOf(const Slot& slot) const {
  const Unit& unit = *units_[slot.unit_id];
  v1::UnitStatus status;
  status.set_unit(std::string(unit.name));
  status.set_instance(slot.instance_id == 0 ? "always" : "task:" + slot.task_id);
  status.set_state(slot.state);
  status.set_reason(slot.reason);
  if (slot.mechanism != nullptr) {
    status.set_mechanism(std::string(slot.mechanism->name));
    status.set_lacks(std::string(slot.mechanism->lacks));
  }
  EmitCounts counts = slot.before;
  if (slot.instance != nullptr) counts += slot.instance->counts();
  status.set_emitted(counts.emitted);
  status.set_refused(counts.refused);
  status.set_ring_full(counts.ring_full);
  for (size_t i = 0; i < unit.parameters.size(); ++i) {
    v1::ParameterValue& value = *status.add_parameters();
    value.set_name(std::string(unit.parameters[i].name));
    value.set_value(slot.parameters[i]);
  }
  status.set_filter(slot.filter.text);
  return status;
}

std::vector<v1::UnitStatus> Roster::Status() const {
  const std::lock_guard lock(mutex_);
  std::vector<v1::UnitStatus> all;
  for (const Slot& slot : always_) all.push_back(StatusOf(slot));
  for (const auto& [id, slot] : tasks_) all.push_back(StatusOf(slot));
  for (const auto& [unit, task_id] : ledger_.Leaving()) {
    v1::UnitStatus& status = all.emplace_back();
    status.set_unit(unit);
    status.set_instance("task:" + task_id);
    status.set_state(v1::UnitStatus::OFF);
    status.set_reason("ended");
  }
  return all;
}

std::vector<Roster::Running> Roster::AllRunning() const {
  const std::lock_guard lock(mutex_);
  std::vector<Running> running;
  const auto add = [&](const Slot& slot) {
    if (slot.instance == nullptr) return;
    const Unit& unit = *units_[slot.unit_id];
    // What would be left is what runs already: there is nothing to give up.
    const bool least = slot.mechanism->name == unit.shed_mechanism;
    Running one{std::string(unit.name),
                slot.task_id,
                least ? 0 : unit.shed_order,
                {},
                slot.instance->MapBytes()};
    slot.instance->AddPrograms(one.programs);
    running.push_back(std::move(one));
  };
  for (const Slot& slot : always_) add(slot);
  for (const auto& [id, slot] : tasks_) add(slot);
  return running;
}

uint64_t Roster::LostOf(uint16_t unit, uint32_t instance) const {
  std::shared_ptr<Instance> found;
  {
    const std::lock_guard lock(index_mutex_);
    const auto it = index_.find({unit, instance});
    if (it == index_.end()) return 0;
    found = it->second;
  }
  return found->counts().lost();
}

}  // namespace huatuo
