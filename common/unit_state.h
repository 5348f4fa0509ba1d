// The word for a unit's state, the same in REST and as a label.
#pragma once

#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// "running", "unavailable", "off", "shed"; "unknown" for any other value. Pure.
constexpr const char* UnitStateName(v1::UnitStatus::State state) {
  switch (state) {
    case v1::UnitStatus::RUNNING:
      return "running";
    case v1::UnitStatus::UNAVAILABLE:
      return "unavailable";
    case v1::UnitStatus::OFF:
      return "off";
    case v1::UnitStatus::SHED:
      return "shed";
    default:
      return "unknown";
  }
}

}  // namespace huatuo
