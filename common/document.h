// Typed values as JSON, by the catalog's field tables.
//
// The one place where a value becomes text, used by the server for every reader and by the
// collector's tests. Pure and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/json_text.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// `tracer_data` of an event: one key per field that has a value, in catalog order; a STACK becomes
// one string with newlines and a twin `<name>_frames`; an ID becomes a string; unknown is null.
// `incomplete`, `repeated` with `last_time`, and `lost_before` are appended when they say
// something. The event must have passed CheckValues.
void AddTracerData(JsonText& json, const v1::EventType& type, const v1::Event& event);
std::string TracerData(const v1::EventType& type, const v1::Event& event);

// The key of a stack's twin.
std::string FramesKey(const v1::Field& field);

// "do_exit+0x1c", "nf_hook+0x8 [nf_tables]"; "0xffff..." without a symbol.
std::string FrameText(const v1::Frame& frame);

// InvalidArgument naming the first field whose value is not of the kind the catalog declares, is
// nested deeper than 8, or surplus; or a map that names something twice.
absl::Status CheckValues(const v1::EventType& type, const v1::Event& event);

// InvalidArgument when the catalog itself is not usable: empty or duplicate names, names outside
// [a-z0-9_] (metrics: [a-zA-Z0-9_:]), fields that would be the same key of tracer_data, a histogram
// without buckets, minimum above maximum, ...
absl::Status CheckCatalog(const v1::Catalog& catalog);

// "2026-11-21T01:23:45.678901234Z"
std::string Rfc3339(int64_t wall_ns);

// Nanoseconds since 1970 of an RFC 3339 time (any offset, up to 9 fraction digits), or nullopt.
std::optional<int64_t> ParseRfc3339(std::string_view text);

}  // namespace huatuo
