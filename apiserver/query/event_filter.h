// The query parameters that choose events, alike for lists, counts and live streams.
#pragma once

#include <vector>

#include "apiserver/query/params.h"
#include "apiserver/store/store.h"

namespace huatuo {

// By name, subject and text.
std::vector<Param> FilterParams();

// `from` and `to`, of tracer_time.
std::vector<Param> RangeParams();

// What was given of both; `now_ns`: what relative times refer to.
EventFilter FilterOf(const ParamValues& params, int64_t now_ns);

}  // namespace huatuo
