// What the registers of a hardware error say, in words. Pure and thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bpf/ras.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

std::string_view RasSourceName(uint32_t source);  // "mce", "edac", …
std::string RasDevice(const ras_event& event);    // "cpu3", "mc0", "0000:01:00.0"; "" : not known
std::string_view RasSeverity(const ras_event& event);  // "corrected", "fatal", …; "": not known
v1::Value RasDetails(const ras_event& event);          // a MAP; what is not known is not in it

// The architectural part of MCi_STATUS (bits 15:0), as Intel's manual names it in 15.9.
std::string McaErrorCode(uint16_t code);
// A GUID as in memory, as text.
std::string GuidText(const uint8_t (&guid)[16]);

}  // namespace huatuo
