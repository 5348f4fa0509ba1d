// Rows of the SQLite store as bytes and back.
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/store/filter.h"
#include "apiserver/store/sqlite.h"
#include "apiserver/store/store.h"

namespace huatuo {

// What ReadEvent expects to be selected, of `event e`.
inline constexpr std::string_view kEventColumns =
    "e.position, e.sequence, e.tracer_time_ns, e.uploaded_ns, e.tracer_id, e.tracer_name, "
    "e.task_id, e.node, e.subjects, e.document";

// Internal when the subjects are not readable.
absl::StatusOr<StoredEvent> ReadEvent(const Statement& row);

// The same, or nullopt when it does not match; what does not match by time is not even decoded.
absl::StatusOr<std::optional<StoredEvent>> ReadMatching(const Statement& row,
                                                        const Matcher& matcher);

}  // namespace huatuo
