#include "bpf/ras.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <set>

#include "collector/decode/decoder.h"
#include "collector/units/ras_decode.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kRas;

namespace {

constexpr const Unit* kUnits[] = {&kRas};

ras_event Report(ras_source source) {
  ras_event event{};
  event.header.size = sizeof(event);
  event.header.cpu = 2;
  event.source = source;
  return event;
}

void Say(ras_event& event, size_t index, std::string_view text) {
  text.copy(event.text[index], RAS_TEXT_LEN - 1);
}

boost::json::object Data(const ras_event& event) {
  FakeContext context;
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  const v1::EventType type = MakeCatalog(kUnits).units(0).events(0);
  const v1::Event decoded = decoder.Decode(0, 0, kRas.events[0], &event);
  CHECK(CheckValues(type, decoded).ok());
  return boost::json::parse(TracerData(type, decoded)).as_object();
}

// Without the task and, since it depends on this machine's clocks, the time.
std::string Json(const ras_event& event) {
  static const std::set<std::string_view> kLeftOut = {"comm", "pid",       "tid",
                                                      "cpu",  "cgroup_id", "observed_timestamp"};
  boost::json::object rest;
  for (const auto& [name, value] : Data(event)) {
    if (!kLeftOut.contains({name.data(), name.size()})) rest[name] = value;
  }
  return boost::json::serialize(rest);
}

ras_event MachineCheck(uint64_t status) {
  ras_event event = Report(RAS_MCE);
  event.number[MCE_STATUS] = status;
  event.number[MCE_ADDRESS] = 0x12345000;
  event.number[MCE_MISC] = 0x8c;
  event.number[MCE_MCG_CAP] = 1 << 10;
  event.number[MCE_TIME] = 1'700'000'000;
  event.number[MCE_BANK] = 4;
  event.number[MCE_CPU] = 3;
  event.number[MCE_SOCKET] = 1;
  event.number[MCE_APIC] = 6;
  event.number[MCE_CPUID] = 0x50654;
  return event;
}

TEST_CASE("a corrected machine check of Intel: bank, address, error, count and all bits") {
  const ras_event event = MachineCheck(0x9c00008000010150);
  CHECK(Data(event).at("observed_timestamp").to_number<uint64_t>() == 1'700'000'000'000'000'000);
  CHECK(Json(event) ==
        R"({"dev":"cpu3","event":"mce","type":"corrected","info":{"bank":4,"cpu":3,"socket":1,)"
        R"("apic_id":6,"status":"0x9c00008000010150","status_bits":["ADDRV","MISCV","EN","VAL"],)"
        R"("mca_error":"cache hierarchy: instruction L0, instruction fetch",)"
        R"("model_specific_error":"0x1","corrected_count":2,"address":"0x12345000","misc":"0x8c",)"
        R"("mcg_status":"0x0","mcg_status_bits":[],"in_machine_check":false,"valid":true,)"
        R"("vendor":"Intel","cpuid":"0x50654"}})");
}

TEST_CASE("an AMD machine check: deferred, with its syndrome, and no address that is not valid") {
  ras_event event = MachineCheck(1ULL << 63 | 1ULL << 53 | 1ULL << 44 | 0x0091);
  event.number[MCE_VENDOR] = 2;
  event.number[MCE_SYND] = 0xabc;
  event.number[MCE_IPID] = 0x9600050f00;
  event.number[MCE_MCG_STATUS] = 7;
  CHECK(Json(event) ==
        R"({"dev":"cpu3","event":"mce","type":"deferred","info":{"bank":4,"cpu":3,"socket":1,)"
        R"("apic_id":6,"status":"0x8020100000000091","status_bits":["VAL"],)"
        R"("mca_error":"memory controller: memory read, channel 1","model_specific_error":"0x0",)"
        R"("syndrome":"0xabc","ipid":"0x9600050f00","mcg_status":"0x7",)"
        R"("mcg_status_bits":["RIPV","EIPV","MCIP"],"in_machine_check":true,"valid":true,)"
        R"("vendor":"AMD","cpuid":"0x50654"}})");
}

TEST_CASE("how bad a machine check is") {
  const auto type = [](uint64_t status) { return std::string(RasSeverity(MachineCheck(status))); };
  CHECK(type(1ULL << 63) == "corrected");
  CHECK(type(1ULL << 63 | 1ULL << 61) == "uncorrected");
  CHECK(type(1ULL << 63 | 1ULL << 61 | 1ULL << 57) == "fatal");
}

TEST_CASE("the architectural error codes") {
  CHECK(McaErrorCode(0x0000) == "no error");
  CHECK(McaErrorCode(0x0005) == "internal parity");
  CHECK(McaErrorCode(0x0400) == "internal timer");
  CHECK(McaErrorCode(0x0401) == "internal unclassified");
  CHECK(McaErrorCode(0x000e) == "cache: L2");
  CHECK(McaErrorCode(0x0015) == "TLB: data L1");
  CHECK(McaErrorCode(0x1136) == "cache hierarchy: data L2, data read");
  CHECK(McaErrorCode(0x00cf) == "memory controller: scrubbing, channel unknown");
  CHECK(McaErrorCode(0x0e0b) == "I/O error");
  CHECK(McaErrorCode(0x0f13) ==
        "bus or interconnect: generic, generic read, memory, generic level, timeout");
  CHECK(McaErrorCode(0x8000) == "unknown 0x8000");
}

TEST_CASE("a memory error of EDAC names the DIMM") {
  ras_event event = Report(RAS_EDAC);
  event.number[EDAC_TYPE] = 1;
  event.number[EDAC_COUNT] = 3;
  event.number[EDAC_CONTROLLER] = 1;
  event.number[EDAC_LAYERS] = 0xff0201;
  event.number[EDAC_ADDRESS] = 0x3f00000000;
  event.number[EDAC_GRAIN_BITS] = 6;
  event.number[EDAC_SYNDROME] = 0x55;
  Say(event, 0, "memory read error");
  Say(event, 1, "CPU_SrcID#0_MC#1_Chan#0_DIMM#0");
  Say(event, 2, std::string(RAS_TEXT_LEN, 'x'));
  CHECK(Json(event) ==
        R"({"dev":"mc1","event":"edac","type":"uncorrected","info":{"controller":1,)"
        R"("message":"memory read error","dimm_label":"CPU_SrcID#0_MC#1_Chan#0_DIMM#0",)"
        R"("count":3,"address":"0x3f00000000","grain_bytes":64,"syndrome":"0x55",)"
        R"("top_layer":1,"middle_layer":2,"driver_detail":")" +
            std::string(RAS_TEXT_LEN - 1, 'x') + R"(","driver_detail_truncated":true}})");
}

TEST_CASE("PCIe: all errors of the status by name, also a bit that has none") {
  ras_event event = Report(RAS_AER);
  event.number[AER_STATUS] = 0x1041;
  event.number[AER_SEVERITY] = 2;
  Say(event, 0, "0000:01:00.0");
  CHECK(Json(event) == R"({"dev":"0000:01:00.0","event":"aer","type":"corrected","info":)"
                       R"({"device":"0000:01:00.0","status":"0x1041",)"
                       R"("errors":["Receiver Error","Bad TLP","Replay Timer Timeout"]}})");
  event.number[AER_STATUS] = 0x80104000;
  event.number[AER_SEVERITY] = 0;
  event.number[AER_HAS_HEADER] = 1;
  event.number[AER_HEADER] = 0x0000000140000001;
  event.number[AER_HEADER + 1] = 0x00000003fee00000;
  CHECK(Json(event) == R"({"dev":"0000:01:00.0","event":"aer","type":"uncorrected","info":)"
                       R"({"device":"0000:01:00.0","status":"0x80104000",)"
                       R"("errors":["Completion Timeout","Unsupported Request Error","bit31"],)"
                       R"("tlp_header":"40000001 00000001 fee00000 00000003"}})");
  event.number[AER_SEVERITY] = 1;
  CHECK(RasSeverity(event) == "fatal");
}

TEST_CASE("a section of the firmware that only its vendor knows, cut and said so") {
  ras_event event = Report(RAS_NON_STANDARD);
  event.number[NON_STANDARD_SEVERITY] = 2;
  const uint8_t guid[16] = {0xc1, 0x32, 0x86, 0xd2, 0x71, 0x08, 0x4d, 0x4e,
                            0x92, 0x2f, 0xd3, 0x37, 0x9a, 0x8e, 0x1c, 0x07};
  std::memcpy(&event.number[NON_STANDARD_TYPE], guid, sizeof(guid));
  event.raw[0] = 0xab;
  event.raw[1] = 0x01;
  event.raw_len = 2;
  CHECK(Json(event) ==
        R"({"dev":null,"event":"non_standard","type":"uncorrected","info":)"
        R"({"section_type":"d28632c1-0871-4e4d-922f-d3379a8e1c07",)"
        R"("fru_id":"00000000-0000-0000-0000-000000000000","section_bytes":2,"section":"ab01"}})");
  event.raw_len = RAS_RAW_LEN + 1;
  CHECK(Json(event).find(R"("section_bytes":129,"section_truncated":true,"section":"ab0100)") !=
        std::string::npos);
}

TEST_CASE("ARM processor errors show what is valid") {
  ras_event event = Report(RAS_ARM);
  event.number[ARM_MIDR] = 0x410fd0c1;
  CHECK(Json(event) == R"({"dev":null,"event":"arm","type":null,"info":{"midr":"0x410fd0c1"}})");
  event.number[ARM_VALID] = 7;
  event.number[ARM_MPIDR] = 0x81000000;
  event.number[ARM_AFFINITY] = 1;
  event.number[ARM_PSCI] = 4;
  CHECK(Json(event) ==
        R"({"dev":"mpidr 0x81000000","event":"arm","type":null,"info":{"midr":"0x410fd0c1",)"
        R"("mpidr":"0x81000000","affinity_level":1,"running":false,"psci_state":"0x4"}})");
}

TEST_CASE("extended error log: the fields of the memory error that its bits declare") {
  ras_event event = Report(RAS_EXTLOG);
  event.number[EXTLOG_SEVERITY] = 2;
  event.number[EXTLOG_SEQUENCE] = 9;
  Say(event, 0, "DIMM A1");
  const uint64_t valid = 0x2 | 0x8 | 0x100 | 0x4000;
  const uint64_t address = 0x1000;
  std::memcpy(event.raw, &valid, sizeof(valid));
  std::memcpy(event.raw + 16, &address, sizeof(address));
  event.raw[32] = 1;
  event.raw[36] = 7;  // a module, which is not declared
  event.raw[42] = 5;
  event.raw[72] = 2;
  event.raw_len = 80;
  CHECK(Json(event) ==
        R"({"dev":"DIMM A1","event":"extlog","type":"corrected","info":{"sequence":9,)"
        R"("fru_id":"00000000-0000-0000-0000-000000000000","fru_text":"DIMM A1",)"
        R"("memory_error":"single-bit ECC","address":"0x1000","node":1,"row":5}})");
}

TEST_CASE("what the kernel did with a page, and the interrupt of a threshold") {
  ras_event event = Report(RAS_MEMORY_FAILURE);
  event.number[MEMORY_FAILURE_PFN] = 0xabc;
  event.number[MEMORY_FAILURE_PAGE_TYPE] = 13;
  event.number[MEMORY_FAILURE_RESULT] = 3;
  CHECK(Json(event) == R"({"dev":"memory","event":"memory_failure","type":"uncorrected","info":)"
                       R"({"pfn":"0xabc","page_type":13,"result":"recovered"}})");
  event = Report(RAS_MCE_THRESHOLD);
  event.number[THRESHOLD_VECTOR] = 0xf9;
  CHECK(Json(event) == R"({"dev":"cpu2","event":"mce_threshold","type":"corrected","info":)"
                       R"({"cpu":2,"vector":"0xf9"}})");
}

TEST_CASE("a source that this build does not know is not guessed") {
  ras_event event = Report(RAS_MCE);
  event.source = RAS_SOURCES;
  CHECK(Json(event) == R"({"dev":null,"event":null,"type":null,"info":null})");
}

}  // namespace
}  // namespace huatuo
