// What people may set of a unit: its parameters, and its filter.
//
// Messages name the parameter and what is accepted. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/unit.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Writes `values` over `parameters`, which are in the order of Unit::parameters. InvalidArgument
// for one that is unknown or out of range.
absl::Status OverrideParameters(
    const Unit& unit, const google::protobuf::RepeatedPtrField<v1::ParameterValue>& values,
    std::vector<uint64_t>& parameters);

// InvalidArgument when the unit has no filter, or the text is not of its language. Whether this
// kernel can do what it says is known to the instance only.
absl::Status CheckFilter(const Unit& unit, std::string_view text);

// assignment := UNIT "." PARAMETER "=" NUMBER | UNIT ".filter=" TEXT
// InvalidArgument also for what the two above refuse.
absl::StatusOr<v1::SetParameters> ParseAssignment(std::span<const Unit* const> units,
                                                  std::string_view text);

}  // namespace huatuo
