// What happens to an event whose tracer_id is stored already.
#pragma once

#include <string_view>

#include "apiserver/store/store.h"

namespace huatuo {

// Whether both are one event that came twice, as after a lost epoch; it is then stored once. The
// documents may differ: they hold the time of the upload.
bool SameEvent(const StoredEvent& stored, std::string_view node, const EventRow& event);

// The rejected row of an event that is another one than that with its id at `position`.
RejectedRow DuplicateId(const EventRow& event, uint64_t position);

}  // namespace huatuo
