// The configuration that the server wants, in the roster.
#include <fmt/format.h>

#include "collector/parameters.h"
#include "collector/roster.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {

absl::Status Roster::AddTo(Wish& wish, const Unit& unit, const v1::UnitSettings& settings) {
  RETURN_IF_ERROR(OverrideParameters(unit, settings.values(), wish.parameters));
  if (settings.has_filter()) {
    RETURN_IF_ERROR(CheckFilter(unit, settings.filter()));
    wish.filter = settings.filter();
  }
  if (settings.has_enabled()) wish.on = settings.enabled();
  return absl::OkStatus();
}

absl::Status Roster::Fulfil(Wish wish, Slot& slot) {
  RETURN_IF_ERROR(Tell(slot, wish.parameters, wish.filter));
  slot.parameters = std::move(wish.parameters);
  slot.filter.text = std::move(wish.filter);
  const bool on = slot.state != v1::UnitStatus::OFF;
  if (on == wish.on) return absl::OkStatus();
  if (wish.on) {
    OpenLater(slot);
  } else {
    CloseSlot(slot, v1::UnitStatus::OFF, "by configuration");
  }
  LogInfo(fmt::format("unit {}: {} by configuration", units_[slot.unit_id]->name,
                      wish.on ? "on" : "off"));
  return absl::OkStatus();
}

v1::ConfigureReply Roster::Configure(const v1::Configure& request) {
  const std::lock_guard lock(mutex_);
  std::string bytes = request.SerializeAsString();
  if (bytes == configured_) return configured_reply_;
  v1::ConfigureReply reply;
  reply.set_version(request.version());
  const auto refuse = [&reply](const std::string& unit, const std::string& reason) {
    v1::RefusedUnit& refused = *reply.add_refused();
    refused.set_unit(unit);
    refused.set_reason(reason);
    LogWarning(
        fmt::format("configuration {}: unit {}: refused: {}", reply.version(), unit, reason));
  };
  std::map<std::string, const v1::UnitSettings*> named;
  for (const v1::UnitSettings& settings : request.units()) {
    named[settings.unit()] = &settings;
    if (UnitIndex(settings.unit()) < 0) refuse(settings.unit(), "no such unit");
  }
  for (Slot& slot : always_) {
    const Unit& unit = *units_[slot.unit_id];
    const auto found = named.find(std::string(unit.name));
    Wish wish = slot.began;
    absl::Status status;
    if (found != named.end()) status = AddTo(wish, unit, *found->second);
    if (status.ok()) status = Fulfil(std::move(wish), slot);
    if (!status.ok()) refuse(std::string(unit.name), Message(status));
  }
  configured_ = std::move(bytes);
  return configured_reply_ = reply;
}

}  // namespace huatuo
