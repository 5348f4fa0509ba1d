// Machine checks: the part of ras_decode.h that is about x86's MCA.
#pragma once

#include <string_view>

#include "bpf/ras.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

std::string_view MceSeverity(const ras_event& event);
v1::Value MceDetails(const ras_event& event);

}  // namespace huatuo
