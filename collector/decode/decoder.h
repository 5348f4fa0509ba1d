// Records to events, by the units' field tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/context.h"
#include "collector/unit.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// The fields that every record with an event_header begins with: comm, pid, tid, cpu, cgroup_id.
std::span<const Field> HeaderFields();

// The catalog of `units`, in their order; what Hello announces.
v1::Catalog MakeCatalog(std::span<const Unit* const> units);

// Index of the field `name` among the values of an event of `type`, -1 when there is none.
int ValueIndex(const EventType& type, std::string_view name);

// Index of the Late field `name` among the values of an event of `type`, -1 when there is none.
int LateIndex(const EventType& type, std::string_view name);

// The names of all Late fields of `type`.
std::vector<std::string_view> LateFields(const EventType& type);

// Thread-safe as far as the Context is.
class Decoder {
 public:
  Decoder(std::span<const Unit* const> units, Context& context, const Clock& clock)
      : units_(units), context_(context), clock_(clock) {}

  // What the record in `bytes` is. InvalidArgument when it is shorter than its type, or names a
  // unit or record type that does not exist.
  absl::StatusOr<const EventType*> Identify(std::span<const std::byte> bytes) const;

  // The event of a record of `type`, whole but for tracer id, task id and Late fields. Without a
  // header the time is now.
  v1::Event Decode(uint16_t unit_id, size_t event, const EventType& type, const void* record) const;

  // The container of the harmed one, as Decode finds it.
  std::optional<v1::Container> Harmed(const EventType& type, const void* record) const;

 private:
  void AddSubjects(const EventType& type, const void* record, v1::Event& event) const;

  std::span<const Unit* const> units_;
  Context& context_;
  const Clock& clock_;
};

}  // namespace huatuo
