// The tables of the SQLite store of events.
//
//   event      one row an event; `position` is AUTOINCREMENT, so that it never comes back.
//              `subjects` is a sequence of netstrings ("5:alpha"), 6 a subject.
//   posting    (posting, position) of filter.h: what every filter by name is served from
//   high_water of each (node, epoch), written in the transaction of its events
//   rejected, fact, state (small numbers: "events", "text_mark")
//   text_part  what the full-text index covers; see sqlite_text.h
//
// Texts may hold any bytes. `PRAGMA user_version` counts the migrations that a file has seen.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/store/sqlite_file.h"

namespace huatuo {

// As OpenForWriting.
absl::StatusOr<std::unique_ptr<Database>> OpenWriter(const std::string& path);

}  // namespace huatuo
