#include "apiserver/config/document.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "google/protobuf/text_format.h"

namespace huatuo {
namespace {

namespace json = boost::json;

v1::Catalog Units() {
  v1::Catalog catalog;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(
      R"(units { name: "runqlat" parameters { name: "threshold_ns" unit: "ns" minimum: 1 maximum: 100 }
                 parameters { name: "rate" minimum: 1 maximum: 9 } }
         units { name: "dropwatch" filter: "packet" }
         units { name: "ras" })",
      &catalog));
  return catalog;
}

// What is objected to, or the document as it is read back.
std::string Read(const std::string& text) {
  ConfigDocument document;
  const v1::Catalog units = Units();
  const auto bad = ReadConfig(json::parse(text).as_object(), {"comment"}, &units, document);
  if (!bad) return json::serialize(ConfigJson(document));
  return bad->field + ": " + bad->detail + " (" + bad->accepted + ")";
}

TEST_CASE("a document is read back as it was written") {
  CHECK(Read("{}") == R"({"defaults":{},"overrides":[]})");
  const std::string whole =
      R"({"defaults":{"ras":{"enabled":false},"runqlat":{"threshold_ns":20,"rate":3}},)"
      R"("overrides":[{"name":"gpu","nodes":["gpu-*","n?"],"regions":["eu"],"kernels":["5.10.*"],)"
      R"("units":{"dropwatch":{"filter":"tcp and port 80","enabled":true}}},)"
      R"({"name":"all","units":{}}]})";
  CHECK(Read(whole) == whole);
}

TEST_CASE("what a document cannot say is named with its place") {
  CHECK(Read(R"({"default":{}})") ==
        "default: unknown member (defaults, overrides, comment, version)");
  CHECK(Read(R"({"defaults":[]})").starts_with("defaults: not an object ({unit: {"));
  CHECK(Read(R"({"defaults":{"runqlat":7}})").starts_with("defaults.runqlat: not an object ({"));
  CHECK(Read(R"({"defaults":{"runq":{}}})") ==
        "defaults.runq: no node has a unit runq (one of runqlat, dropwatch, ras)");
  CHECK(Read(R"({"defaults":{"runqlat":{"threshold":1}}})") ==
        "defaults.runqlat.threshold: the unit runqlat has no such parameter "
        "(one of threshold_ns, rate)");
  const std::string range = " (an integer from 1 to 100 in ns)";
  for (const std::string value : {"0", "101", "-1", "1.5E0", "\"7\"", "null", "1E20"}) {
    CHECK(Read(R"({"defaults":{"runqlat":{"threshold_ns":)" + value + "}}}") ==
          "defaults.runqlat.threshold_ns: bad value " + value + range);
  }
  CHECK(Read(R"({"defaults":{"ras":{"enabled":1}}})") ==
        "defaults.ras.enabled: bad value 1 (true or false)");
  CHECK(Read(R"({"defaults":{"ras":{"filter":"tcp"}}})") ==
        "defaults.ras.filter: the unit ras has no filter (no filter)");
  CHECK(Read(R"({"overrides":[{"name":"a","units":{"dropwatch":{"filter":"tpc"}}}]})")
            .starts_with("overrides[0].units.dropwatch.filter: column 1: \"tpc\": "));
}

TEST_CASE("what a selector cannot be is named with its place") {
  CHECK(Read(R"({"overrides":{}})") ==
        "overrides: not an array (an array of at most 64 overrides)");
  CHECK(Read(R"({"overrides":[{"units":{}}]})") ==
        "overrides[0].name: missing (a text of 1 to 253 bytes)");
  CHECK(Read(R"({"overrides":[{"name":"a"},{"name":"a"}]})") ==
        "overrides[1].name: a: there is one already (names that differ)");
  CHECK(Read(R"({"overrides":[{"name":"a","labels":["x"]}]})") ==
        "overrides[0].labels: unknown member (name, nodes, regions, kernels, units)");
  for (const std::string value : {"[]", "[\"\"]", "[7]", "\"n1\""}) {
    CHECK(Read(R"({"overrides":[{"name":"a","nodes":)" + value + "}]}") ==
          "overrides[0].nodes: bad value " + value +
              " (an array of 1 to 64 texts of 1 to 253 bytes, in which * and ? may stand)");
  }
  std::string many = R"({"name":"0"})";
  for (int i = 1; i < 65; ++i) many += R"(,{"name":")" + std::to_string(i) + "\"}";
  CHECK(Read(R"({"overrides":[)" + many + "]}") ==
        "overrides: 65 overrides (an array of at most 64 overrides)");
}

// What a node of this name, region and kernel is told.
std::string For(const std::string& text, const std::string& node, const std::string& region = "eu",
                const std::string& kernel = "6.1.0-28") {
  ConfigDocument document;
  REQUIRE_FALSE(ReadConfig(json::parse(text).as_object(), {}, nullptr, document));
  v1::Hello hello;
  hello.set_node(node);
  hello.set_region(region);
  hello.set_kernel_release(kernel);
  return ConfigFor(document, hello).ShortDebugString();
}

TEST_CASE("overrides are laid over the defaults, the last one on top") {
  const std::string text =
      R"({"defaults":{"runqlat":{"threshold_ns":20,"rate":3}},"overrides":[
        {"name":"gpu","nodes":["gpu-?","special"],"units":{"runqlat":{"rate":5},"ras":{"enabled":false}}},
        {"name":"old","kernels":["6.1.*"],"regions":["us"],"units":{"runqlat":{"rate":7},"ras":{"filter":""}}}]})";
  const auto runqlat = [](int rate) {
    return R"(units { unit: "runqlat" values { name: "threshold_ns" value: 20 } )"
           R"(values { name: "rate" value: )" +
           std::to_string(rate) + " } }";
  };
  CHECK(For(text, "n1") == runqlat(3));
  CHECK(For(text, "gpu-1") == R"(units { unit: "ras" enabled: false } )" + runqlat(5));
  CHECK(For(text, "gpu-12") == runqlat(3));
  CHECK(For(text, "special") == R"(units { unit: "ras" enabled: false } )" + runqlat(5));
  CHECK(For(text, "special", "us") ==
        R"(units { unit: "ras" filter: "" enabled: false } )" + runqlat(7));
  CHECK(For(text, "special", "us", "6.10.1") ==
        R"(units { unit: "ras" enabled: false } )" + runqlat(5));
}

TEST_CASE("a pattern means its text, and takes linear time") {
  const auto told = [](const std::string& pattern, const std::string& node) {
    const json::value text = {
        {"overrides",
         {{{"name", "a"}, {"nodes", {pattern}}, {"units", {{"ras", json::object()}}}}}}};
    return !For(json::serialize(text), node).empty();
  };
  CHECK(told("a.b", "a.b"));
  CHECK_FALSE(told("a.b", "axb"));
  CHECK_FALSE(told("(a|b)", "a"));
  CHECK(told("*", ""));
  CHECK(told("a*b?", "ab1"));
  CHECK(told("a*b?", "a--b1"));
  CHECK_FALSE(told("a*b?", "a--b"));
  std::string stars;
  for (int i = 0; i < 100; ++i) stars += "a*";
  CHECK_FALSE(told(stars + "b", std::string(253, 'a')));
}

}  // namespace
}  // namespace huatuo
