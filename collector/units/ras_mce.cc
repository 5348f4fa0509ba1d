// Machine checks, as the manuals of Intel (volume 3, chapter 15) and AMD (chapter 9) lay them out.
#include "collector/units/ras_mce.h"

#include "collector/units/ras_decode.h"
#include "collector/units/ras_words.h"

namespace huatuo {
namespace {

constexpr uint64_t kVal = 1ULL << 63;
constexpr uint64_t kUc = 1ULL << 61;
constexpr uint64_t kMiscV = 1ULL << 59;
constexpr uint64_t kAddrV = 1ULL << 58;
constexpr uint64_t kPcc = 1ULL << 57;
constexpr uint64_t kSynd = 1ULL << 53;      // AMD
constexpr uint64_t kDeferred = 1ULL << 44;  // AMD
constexpr uint64_t kMcip = 1ULL << 2;       // of MCG_STATUS

// X86_VENDOR_* of the kernel.
constexpr uint64_t kIntel = 0;
constexpr uint64_t kAmd = 2;
constexpr uint64_t kHygon = 9;

constexpr std::string_view kLevels[] = {"L0", "L1", "L2", "generic level"};
constexpr std::string_view kKinds[] = {"instruction", "data", "generic", "reserved"};

// The flags in the upper bits, shifted down to 57.
constexpr std::string_view kStatusBits[] = {"PCC", "ADDRV", "MISCV", "EN", "UC", "OVER", "VAL"};
constexpr std::string_view kMcgBits[] = {"RIPV", "EIPV", "MCIP", "LMCE_S"};

std::string_view Request(unsigned code) {
  static constexpr std::string_view kNames[] = {
      "generic error",     "generic read", "generic write", "data read", "data write",
      "instruction fetch", "prefetch",     "eviction",      "snoop"};
  return code < std::size(kNames) ? kNames[code] : "reserved";
}

std::string MemoryController(uint16_t code) {
  static constexpr std::string_view kNames[] = {"generic undefined request", "memory read",
                                                "memory write", "address/command", "scrubbing"};
  const unsigned kind = code >> 4 & 7;
  const unsigned channel = code & 15;
  return fmt::format("memory controller: {}, channel {}",
                     kind < std::size(kNames) ? kNames[kind] : "reserved",
                     channel == 15 ? "unknown" : std::to_string(channel));
}

std::string Bus(uint16_t code) {
  static constexpr std::string_view kWho[] = {"source", "responder", "observer", "generic"};
  static constexpr std::string_view kWhere[] = {"memory", "reserved", "I/O", "other"};
  return fmt::format("bus or interconnect: {}, {}, {}, {}{}", kWho[code >> 9 & 3],
                     Request(code >> 4 & 15), kWhere[code >> 2 & 3], kLevels[code & 3],
                     (code & 0x100) != 0 ? ", timeout" : "");
}

std::string Simple(uint16_t code) {
  switch (code) {
    case 0:
      return "no error";
    case 1:
      return "unclassified";
    case 2:
      return "microcode ROM parity";
    case 3:
      return "external error (BINIT#)";
    case 4:
      return "functional redundancy check";
    case 5:
      return "internal parity";
    case 6:
      return "SMM handler code access violation";
    case 0x400:
      return "internal timer";
    case 0xe0b:
      return "I/O error";
    default:
      return "";
  }
}

bool IsAmd(const ras_event& event) {
  const uint64_t vendor = event.number[MCE_VENDOR];
  return vendor == kAmd || vendor == kHygon;
}

std::string_view VendorName(uint64_t vendor) {
  if (vendor == kIntel) return "Intel";
  if (vendor == kAmd) return "AMD";
  return vendor == kHygon ? "Hygon" : "";
}

}  // namespace

std::string McaErrorCode(uint16_t code) {
  const std::string simple = Simple(code);
  if (!simple.empty()) return simple;
  // Bit 12 says that corrections are filtered; it belongs to every compound code.
  const uint16_t plain = code & 0xefff;
  if ((plain & 0xf800) == 0x0800) return Bus(plain);
  if ((plain & 0xfc00) == 0x0400) return "internal unclassified";
  if ((plain & 0xff00) == 0x0100) {
    return fmt::format("cache hierarchy: {} {}, {}", kKinds[plain >> 2 & 3], kLevels[plain & 3],
                       Request(plain >> 4 & 15));
  }
  if ((plain & 0xff80) == 0x0080) return MemoryController(plain);
  if ((plain & 0xfff0) == 0x0010) {
    return fmt::format("TLB: {} {}", kKinds[plain >> 2 & 3], kLevels[plain & 3]);
  }
  if ((plain & 0xfffc) == 0x000c) return fmt::format("cache: {}", kLevels[plain & 3]);
  return fmt::format("unknown 0x{:x}", code);
}

std::string_view MceSeverity(const ras_event& event) {
  const uint64_t status = event.number[MCE_STATUS];
  if ((status & kUc) == 0)
    return IsAmd(event) && (status & kDeferred) != 0 ? "deferred" : "corrected";
  return (status & kPcc) != 0 ? "fatal" : "uncorrected";
}

v1::Value MceDetails(const ras_event& event) {
  const auto& number = event.number;
  const uint64_t status = number[MCE_STATUS];
  RasWords words;
  words.Number("bank", number[MCE_BANK])
      .Number("cpu", number[MCE_CPU])
      .Number("socket", number[MCE_SOCKET])
      .Number("apic_id", number[MCE_APIC])
      .Hex("status", status)
      .Bits("status_bits", status >> 57, kStatusBits)
      .Text("mca_error", McaErrorCode(static_cast<uint16_t>(status)))
      .Hex("model_specific_error", status >> 16 & 0xffff);
  // Intel counts corrected errors in the status, where MCG_CAP says so.
  const bool counts = !IsAmd(event) && (number[MCE_MCG_CAP] & 1 << 10) != 0 && (status & kUc) == 0;
  if (counts) words.Number("corrected_count", status >> 38 & 0x7fff);
  if ((status & kAddrV) != 0) words.Hex("address", number[MCE_ADDRESS]);
  if ((status & kMiscV) != 0) words.Hex("misc", number[MCE_MISC]);
  if (IsAmd(event) && (status & kSynd) != 0) words.Hex("syndrome", number[MCE_SYND]);
  words.HexUnlessZero("ipid", number[MCE_IPID])
      .Hex("mcg_status", number[MCE_MCG_STATUS])
      .Bits("mcg_status_bits", number[MCE_MCG_STATUS], kMcgBits)
      .Flag("in_machine_check", (number[MCE_MCG_STATUS] & kMcip) != 0)
      .Flag("valid", (status & kVal) != 0)
      .Text("vendor", VendorName(number[MCE_VENDOR]))
      .Hex("cpuid", number[MCE_CPUID])
      .HexUnlessZero("ppin", number[MCE_PPIN])
      .HexUnlessZero("microcode", number[MCE_MICROCODE]);
  return words.Take();
}

}  // namespace huatuo
