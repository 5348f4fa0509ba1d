#include "apiserver/store/duplicate.h"

#include <fmt/format.h>

namespace huatuo {

bool SameEvent(const StoredEvent& stored, std::string_view node, const EventRow& event) {
  return stored.node == node && stored.row.tracer_name == event.tracer_name &&
         stored.row.tracer_time_ns == event.tracer_time_ns;
}

RejectedRow DuplicateId(const EventRow& event, uint64_t position) {
  return {event.sequence,
          fmt::format("tracer_id {}: already that of another event, at position {}",
                      event.tracer_id, position),
          ""};
}

}  // namespace huatuo
