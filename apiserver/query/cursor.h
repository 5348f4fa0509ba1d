// Cursors of lists: where a page ended, and for which query. Pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "apiserver/query/params.h"

namespace huatuo {

// A cursor := position "-" hash of the query     both in hex
// The hash leaves out what may differ from page to page: cursor and limit.
std::string Cursor(const ParamValues& params, uint64_t position);

// The position in the parameter "cursor", 0 when there is none; nullopt when it is not a cursor of
// this query.
std::optional<uint64_t> PositionOf(const ParamValues& params);

}  // namespace huatuo
