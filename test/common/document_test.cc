#include "common/document.h"

#include <catch2/catch.hpp>

#include "common/id.h"
#include "common/status.h"
#include "google/protobuf/text_format.h"

namespace huatuo {
namespace {

template <typename T>
T Parse(const std::string& text) {
  T message;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

std::string Json(const v1::EventType& type, const v1::Event& event) {
  return TracerData(type, event);
}

std::string Why(const absl::Status& status) { return status.ok() ? "ok" : Message(status); }

const char kType[] = R"(
  name: "oom"
  fields { name: "pid" type: UINT }
  fields { name: "adj" type: SINT }
  fields { name: "cookie" type: ID }
  fields { name: "comm" type: TEXT }
  fields { name: "stack" type: STACK }
  fields { name: "top" type: LIST fields { name: "pid" type: UINT } }
  fields { name: "stat" type: MAP })";

TEST_CASE("tracer data follows the catalog's order and types") {
  const auto type = Parse<v1::EventType>(kType);
  const auto event = Parse<v1::Event>(R"(
    values { uint: 4242 } values { sint: -1000 } values { uint: 18446744073709551615 }
    values { text: "a\"\377b" }
    values { stack { frames { address: 16 symbol: "f" offset: 4 module: "m" }
                     frames { address: 255 } } }
    values { list { values { record { values { uint: 7 } } } } }
    values { map { names: "anon" values { uint: 3 }
                   names: "bits" values { list { values { text: "EN" } values { text: "VAL" } } }
                   names: "none" values { list {} } } }
    incomplete: "usage" lost_before: 2)");
  CHECK(Why(CheckValues(type, event)) == "ok");
  CHECK(Json(type, event) ==
        "{\"pid\":4242,\"adj\":-1000,\"cookie\":\"18446744073709551615\","
        "\"comm\":\"a\\\"\xEF\xBF\xBD"
        "b\",\"stack\":\"f+0x4 [m]\\n0xff\",\"stack_frames\":[{\"address\":\"0x10\",\"symbol\":"
        "\"f\",\"offset\":4,\"module\":\"m\"},{\"address\":\"0xff\"}],\"top\":[{\"pid\":7}],"
        "\"stat\":{\"anon\":3,\"bits\":[\"EN\",\"VAL\"],\"none\":[]},\"incomplete\":[\"usage\"],"
        "\"lost_before\":2}");
}

TEST_CASE("an unset value is null, a missing one is absent") {
  const auto type = Parse<v1::EventType>(kType);
  CHECK(Json(type, Parse<v1::Event>("values {} values { sint: 1 }")) == R"({"pid":null,"adj":1})");
}

TEST_CASE("a number that JSON cannot say is null") {
  const auto type = Parse<v1::EventType>(R"(
    fields { name: "a" type: DOUBLE } fields { name: "b" type: DOUBLE }
    fields { name: "c" type: DOUBLE } fields { name: "m" type: MAP })");
  CHECK(Json(type, Parse<v1::Event>(R"(
    values { number: nan } values { number: -inf } values { number: 0.5 }
    values { map { names: "x" values { number: inf } } })")) ==
        R"({"a":null,"b":null,"c":0.5,"m":{"x":null}})");
}

TEST_CASE("values that the catalog does not allow are named") {
  const auto type = Parse<v1::EventType>(kType);
  CHECK(Why(CheckValues(type, Parse<v1::Event>("values { sint: 1 }"))) ==
        "field pid: not of type UINT");
  CHECK(Why(CheckValues(type, Parse<v1::Event>(
                                  "values {} values {} values {} values {} values {} values { list "
                                  "{ values { record { values { text: \"x\" } } } } }"))) ==
        "field top: field pid: not of type UINT");
  const auto map = [&](const std::string& values) {
    return Why(CheckValues(
        type, Parse<v1::Event>("values {} values {} values {} values {} values {} values {} "
                               "values { map { names: \"x\" " +
                               values + " } }")));
  };
  CHECK(map("") == "field stat: as many names as values");
  CHECK(map("values { map {} }") == "field stat: a map holds plain values and lists of texts");
  CHECK(map("values { list { values { uint: 1 } } }") == "field stat: a list of texts");
  CHECK(Why(CheckValues(
            type, Parse<v1::Event>("values {} values {} values {} values {} values {} values {} "
                                   "values { map { names: \"x\" values {} names: \"x\" values {} "
                                   "} }"))) == "field stat: \"x\" twice");
  v1::Event surplus;
  for (int i = 0; i < 8; ++i) surplus.add_values();
  CHECK(Why(CheckValues(type, surplus)) == "8 values for 7 fields");
}

TEST_CASE("a catalog that cannot be used is refused with the place") {
  const auto check = [](const std::string& text) {
    return Why(CheckCatalog(Parse<v1::Catalog>(text)));
  };
  CHECK(check(std::string("units { name: \"u\" events {") + kType + "} }") == "ok");
  CHECK(check("units { name: \"U\" }") == "unit \"U\": not a name");
  CHECK(check("units { name: \"u\" } units { name: \"u\" }") == "unit \"u\": declared twice");
  CHECK(check("units { name: \"u\" events { name: \"e\" fields { name: \"f\" } } }") ==
        "unit u: event e: field f: no type");
  const auto event = [&](const std::string& fields) {
    return check("units { name: \"u\" events { name: \"e\" " + fields + " } }");
  };
  CHECK(event("fields { name: \"s\" type: STACK } fields { name: \"s_frames\" type: UINT }") ==
        "unit u: event e: field \"s_frames\": declared twice");
  CHECK(event("fields { name: \"repeated\" type: UINT }") ==
        "unit u: event e: field \"repeated\": declared twice");
  CHECK(event("fields { name: \"r\" type: RECORD fields { name: \"repeated\" type: UINT } }") ==
        "ok");
  CHECK(check("units { name: \"u\" metrics { name: \"m\" type: HISTOGRAM } }") ==
        "unit u: metric m: buckets: 0: accepted are 1 to 64");
  CHECK(check("units { name: \"u\" parameters { name: \"p\" minimum: 2 maximum: 1 } }") ==
        "unit u: parameter p: default outside of [minimum, maximum]");
  CHECK(check("units { name: \"u\" profiles { name: \"cpu\" } }") ==
        "unit u: profile cpu: no values");
  CHECK(check("units { name: \"u\" profiles { name: \"cpu\" values { type: \"cpu\" } } }") ==
        "unit u: profile cpu: value cpu: unit \"\": not a name");
}

TEST_CASE("times are RFC 3339 with nanoseconds, both ways") {
  CHECK(Rfc3339(1795224225678901234) == "2026-11-21T01:23:45.678901234Z");
  CHECK(Rfc3339(-1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(ParseRfc3339("2026-11-21T01:23:45.678901234Z") == 1795224225678901234);
  CHECK(ParseRfc3339("2026-11-21T02:23:45+01:00") == 1795224225000000000);
  CHECK(ParseRfc3339("2026-11-21") == std::nullopt);
  CHECK(ParseRfc3339("9999-11-21T02:23:45Z") == std::nullopt);
}

TEST_CASE("ids") {
  const std::string id = NewUuid7(1795224225678901234);
  CHECK(UuidText(id).substr(0, 15) == "01a1fbb3-c78e-7");
  CHECK(id.size() == 16);
  CHECK(NewUuid7(0) != NewUuid7(0));
  CHECK(Hex(Sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(FromHex(Hex(std::string("\0\x7f\xff", 3))) == std::string("\0\x7f\xff", 3));
  CHECK(FromHex("aAfF") == "\xaa\xff");
  CHECK(FromHex("") == "");
  for (const char* bad : {"a", "g0", "0x", "-1", "+1", " 1", "1 "}) {
    CHECK_FALSE(FromHex(bad).has_value());
  }
  CHECK(ConstantTimeEqual("abc", "abc"));
  CHECK_FALSE(ConstantTimeEqual("abc", "abd"));
  CHECK_FALSE(ConstantTimeEqual("abc", "ab"));
}

}  // namespace
}  // namespace huatuo
