// Events as examples of what a series counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace huatuo {

struct Exemplar {
  std::string event_id;  // what /api/v1/events/{id} takes
  double value = 0;      // as the family counts: seconds
  int64_t time_ns = 0;   // 0: there is none
};

// Which series of a node an exemplar belongs to.
struct ExemplarOf {
  std::string family;
  // What its labels have beside those that all series of the node share, as `name="value"`.
  std::vector<std::string> labels;
  Exemplar exemplar;
};

}  // namespace huatuo
