#include "collector/units/ras_decode.h"

#include <iterator>

#include "collector/units/ras_mce.h"
#include "collector/units/ras_words.h"

namespace huatuo {
namespace {

template <size_t kSize>
std::string_view Word(const std::string_view (&words)[kSize], uint64_t index) {
  return index < kSize ? words[index] : std::string_view();
}

template <size_t kSize>
std::string Text(const char (&text)[kSize]) {
  return SafeText({text, strnlen(text, kSize)});
}

std::string GuidAt(const ras_event& event, size_t index) {
  uint8_t bytes[16];
  std::memcpy(bytes, &event.number[index], sizeof(bytes));
  return GuidText(bytes);
}

// ---- EDAC

// -1: the driver cannot tell this layer.
RasWords& Layer(RasWords& words, std::string_view name, const ras_event& event, unsigned place) {
  const auto layer = static_cast<int8_t>(event.number[EDAC_LAYERS] >> 8 * place & 0xff);
  return layer < 0 ? words : words.Number(name, static_cast<uint64_t>(layer));
}

v1::Value EdacDetails(const ras_event& event) {
  RasWords words;
  words.Number("controller", event.number[EDAC_CONTROLLER])
      .Text("message", event.text[0])
      .Text("dimm_label", event.text[1])
      .Number("count", event.number[EDAC_COUNT])
      .Hex("address", event.number[EDAC_ADDRESS])
      .Number("grain_bytes",
              event.number[EDAC_GRAIN_BITS] < 64 ? uint64_t{1} << event.number[EDAC_GRAIN_BITS] : 0)
      .Hex("syndrome", event.number[EDAC_SYNDROME]);
  Layer(words, "top_layer", event, 0);
  Layer(words, "middle_layer", event, 1);
  Layer(words, "lower_layer", event, 2);
  return words.Text("driver_detail", event.text[2]).Take();
}

// ---- PCIe AER: the names by bit, as in the kernel's own event

constexpr uint64_t kAerCorrected = 2;

constexpr std::string_view kAerCorrectable[] = {"Receiver Error",
                                                "",
                                                "",
                                                "",
                                                "",
                                                "",
                                                "Bad TLP",
                                                "Bad DLLP",
                                                "RELAY_NUM Rollover",
                                                "",
                                                "",
                                                "",
                                                "Replay Timer Timeout",
                                                "Advisory Non-Fatal Error",
                                                "Corrected Internal Error",
                                                "Header Log Overflow"};

constexpr std::string_view kAerUncorrectable[] = {"Undefined",
                                                  "",
                                                  "",
                                                  "",
                                                  "Data Link Protocol Error",
                                                  "Surprise Down Error",
                                                  "",
                                                  "",
                                                  "",
                                                  "",
                                                  "",
                                                  "",
                                                  "Poisoned TLP",
                                                  "Flow Control Protocol Error",
                                                  "Completion Timeout",
                                                  "Completer Abort",
                                                  "Unexpected Completion",
                                                  "Receiver Overflow",
                                                  "Malformed TLP",
                                                  "ECRC Error",
                                                  "Unsupported Request Error",
                                                  "ACS Violation",
                                                  "Uncorrectable Internal Error",
                                                  "MC Blocked TLP",
                                                  "AtomicOp Egress Blocked",
                                                  "TLP Prefix Blocked Error",
                                                  "Poisoned TLP Egress Blocked"};

v1::Value AerDetails(const ras_event& event) {
  const bool corrected = event.number[AER_SEVERITY] == kAerCorrected;
  const uint64_t status = event.number[AER_STATUS];
  RasWords words;
  words.Text("device", event.text[0]).Hex("status", status);
  if (corrected) {
    words.Bits("errors", status, kAerCorrectable);
  } else {
    words.Bits("errors", status, kAerUncorrectable);
  }
  if (event.number[AER_HAS_HEADER] != 0) {
    uint32_t dword[4];
    std::memcpy(dword, &event.number[AER_HEADER], sizeof(dword));
    words.Text("tlp_header",
               fmt::format("{:08x} {:08x} {:08x} {:08x}", dword[0], dword[1], dword[2], dword[3]));
  }
  return words.Take();
}

// ---- what firmware describes

v1::Value NonStandardDetails(const ras_event& event) {
  RasWords words;
  return words.Text("section_type", GuidAt(event, NON_STANDARD_TYPE))
      .Text("fru_id", GuidAt(event, NON_STANDARD_FRU))
      .Text("fru_text", event.text[0])
      .Raw("section", event.raw, event.raw_len)
      .Take();
}

v1::Value ArmDetails(const ras_event& event) {
  const auto& number = event.number;
  RasWords words;
  words.Hex("midr", number[ARM_MIDR]);
  if ((number[ARM_VALID] & 1) != 0) words.Hex("mpidr", number[ARM_MPIDR]);
  if ((number[ARM_VALID] & 2) != 0) words.Number("affinity_level", number[ARM_AFFINITY]);
  if ((number[ARM_VALID] & 4) == 0) return words.Take();
  const bool running = (number[ARM_RUNNING] & 1) != 0;
  words.Flag("running", running);
  if (!running) words.Hex("psci_state", number[ARM_PSCI]);
  return words.Take();
}

// The section of UEFI's appendix N as the kernel hands it on. A field counts when its bit is set.
struct MemoryErrorPart {
  std::string_view name;
  uint64_t valid;
  size_t offset;
  size_t bytes;
};
constexpr MemoryErrorPart kMemoryErrorParts[] = {{"node", 0x8, 32, 2},
                                                 {"card", 0x10, 34, 2},
                                                 {"module", 0x20, 36, 2},
                                                 {"bank", 0x40, 38, 2},
                                                 {"device", 0x80, 40, 2},
                                                 {"row", 0x100, 42, 2},
                                                 {"column", 0x200, 44, 2},
                                                 {"bit_position", 0x400, 46, 2},
                                                 {"rank", 0x8000, 74, 2},
                                                 {"card_handle", 0x10000, 76, 2},
                                                 {"module_handle", 0x20000, 78, 2}};

uint64_t Little(const ras_event& event, size_t offset, size_t bytes) {
  uint64_t value = 0;
  std::memcpy(&value, event.raw + offset, bytes);
  return value;
}

v1::Value ExtlogDetails(const ras_event& event) {
  static constexpr std::string_view kTypes[] = {"unknown",
                                                "no error",
                                                "single-bit ECC",
                                                "multi-bit ECC",
                                                "single-symbol chipkill ECC",
                                                "multi-symbol chipkill ECC",
                                                "master abort",
                                                "target abort",
                                                "parity error",
                                                "watchdog timeout",
                                                "invalid address",
                                                "mirror broken",
                                                "memory sparing",
                                                "scrub corrected error",
                                                "scrub uncorrected error",
                                                "physical memory map-out event"};
  const uint64_t valid = Little(event, 0, 8);
  RasWords words;
  words.Number("sequence", event.number[EXTLOG_SEQUENCE])
      .Text("fru_id", GuidAt(event, EXTLOG_FRU))
      .Text("fru_text", event.text[0]);
  if ((valid & 0x4000) != 0) words.Text("memory_error", Word(kTypes, Little(event, 72, 1)));
  if ((valid & 1) != 0) words.Hex("error_status", Little(event, 8, 8));
  if ((valid & 2) != 0) words.Hex("address", Little(event, 16, 8));
  if ((valid & 4) != 0) words.Hex("address_mask", Little(event, 24, 8));
  for (const MemoryErrorPart& part : kMemoryErrorParts) {
    if ((valid & part.valid) != 0) words.Number(part.name, Little(event, part.offset, part.bytes));
  }
  return words.Take();
}

// ---- what the kernel did

constexpr std::string_view kFailureResults[] = {"ignored", "failed", "delayed", "recovered"};

v1::Value MemoryFailureDetails(const ras_event& event) {
  RasWords words;
  return words.Hex("pfn", event.number[MEMORY_FAILURE_PFN])
      .Number("page_type", event.number[MEMORY_FAILURE_PAGE_TYPE])
      .Text("result", Word(kFailureResults, event.number[MEMORY_FAILURE_RESULT]))
      .Take();
}

v1::Value ThresholdDetails(const ras_event& event) {
  RasWords words;
  return words.Number("cpu", event.header.cpu).Hex("vector", event.number[THRESHOLD_VECTOR]).Take();
}

// ---- all

std::string_view EdacSeverity(const ras_event& event) {
  static constexpr std::string_view kWords[] = {"corrected", "uncorrected", "deferred", "fatal",
                                                "info"};
  return Word(kWords, event.number[EDAC_TYPE]);
}

std::string_view AerSeverity(const ras_event& event) {
  static constexpr std::string_view kWords[] = {"uncorrected", "fatal", "corrected"};
  return Word(kWords, event.number[AER_SEVERITY]);
}

std::string_view NonStandardSeverity(const ras_event& event) {
  static constexpr std::string_view kWords[] = {"info", "corrected", "uncorrected", "fatal"};
  return Word(kWords, event.number[NON_STANDARD_SEVERITY]);
}

std::string_view ExtlogSeverity(const ras_event& event) {
  static constexpr std::string_view kWords[] = {"uncorrected", "fatal", "corrected", "info"};
  return Word(kWords, event.number[EXTLOG_SEVERITY]);
}

std::string_view Nothing(const ras_event&) { return {}; }
std::string_view Uncorrected(const ras_event&) { return "uncorrected"; }
std::string_view Corrected(const ras_event&) { return "corrected"; }

std::string McDevice(const ras_event& event) {
  return fmt::format("mc{}", event.number[EDAC_CONTROLLER]);
}
std::string CpuDevice(const ras_event& event) {
  return fmt::format("cpu{}", event.number[MCE_CPU]);
}
std::string ThresholdDevice(const ras_event& event) {
  return fmt::format("cpu{}", event.header.cpu);
}
std::string NamedDevice(const ras_event& event) { return Text(event.text[0]); }
std::string ArmDevice(const ras_event& event) {
  return (event.number[ARM_VALID] & 1) == 0 ? ""
                                            : fmt::format("mpidr 0x{:x}", event.number[ARM_MPIDR]);
}
std::string MemoryDevice(const ras_event&) { return "memory"; }

struct Source {
  std::string_view name;
  std::string (*device)(const ras_event&);
  std::string_view (*severity)(const ras_event&);
  v1::Value (*details)(const ras_event&);
};

// By enum ras_source.
constexpr Source kSources[] = {
    {"mce", &CpuDevice, &MceSeverity, &MceDetails},
    {"edac", &McDevice, &EdacSeverity, &EdacDetails},
    {"aer", &NamedDevice, &AerSeverity, &AerDetails},
    {"non_standard", &NamedDevice, &NonStandardSeverity, &NonStandardDetails},
    {"arm", &ArmDevice, &Nothing, &ArmDetails},
    {"memory_failure", &MemoryDevice, &Uncorrected, &MemoryFailureDetails},
    {"extlog", &NamedDevice, &ExtlogSeverity, &ExtlogDetails},
    {"mce_threshold", &ThresholdDevice, &Corrected, &ThresholdDetails},
};
static_assert(std::size(kSources) == RAS_SOURCES);

const Source* Find(uint32_t source) { return source < RAS_SOURCES ? &kSources[source] : nullptr; }

}  // namespace

std::string_view RasSourceName(uint32_t source) {
  const Source* found = Find(source);
  return found == nullptr ? std::string_view() : found->name;
}

std::string RasDevice(const ras_event& event) {
  const Source* source = Find(event.source);
  return source == nullptr ? "" : source->device(event);
}

std::string_view RasSeverity(const ras_event& event) {
  const Source* source = Find(event.source);
  return source == nullptr ? std::string_view() : source->severity(event);
}

v1::Value RasDetails(const ras_event& event) {
  const Source* source = Find(event.source);
  return source == nullptr ? Unknown() : source->details(event);
}

std::string GuidText(const uint8_t (&guid)[16]) {
  // The first three parts are numbers, the least byte first.
  static constexpr int kOrder[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  std::string text;
  for (size_t i = 0; i < std::size(kOrder); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", guid[kOrder[i]]);
  }
  return text;
}

}  // namespace huatuo
