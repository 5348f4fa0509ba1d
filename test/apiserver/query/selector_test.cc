#include "apiserver/query/selector.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

namespace huatuo {
namespace {

std::string Problem(std::string_view text) {
  const auto parsed = Selector::Parse(text);
  const auto* error = std::get_if<TextError>(&parsed);
  return error ? fmt::format("{}: {}", error->position, error->what) : "";
}

bool Takes(std::string_view selector, std::string_view name, std::string_view labels) {
  const auto parsed = Selector::Parse(selector);
  const auto* one = std::get_if<Selector>(&parsed);
  INFO(Problem(selector));
  REQUIRE(one);
  LabelText text;
  text.Read(labels);
  return one->TakesName(name) && one->TakesLabels(text);
}

TEST_CASE("a selector takes what PromQL says") {
  const auto up = [](std::string_view selector) {
    return Takes(selector, "up", R"(node="n1",path="a\\b\"c\nd",empty="")");
  };
  CHECK(up("up"));
  CHECK_FALSE(up("u"));
  CHECK_FALSE(up("up:sum"));
  CHECK(up("up{}"));
  CHECK(up(" up { node = \"n1\" , } # the node\n"));
  CHECK(up("{__name__=\"up\"}"));
  CHECK(up("{__name__=~\"u.\",__name__!=\"us\"}"));
  CHECK_FALSE(up("{__name__=~\"u\"}"));
  CHECK(up("{node=\"n1\"}"));
  CHECK(up("{node='n1'}"));
  CHECK(up("{node=`n1`}"));
  CHECK_FALSE(up("{node=\"n\"}"));
  CHECK_FALSE(up("{node=~\"n\"}"));
  CHECK(up("{node=~\"n.\"}"));
  CHECK(up("{node=~\"x|n1\"}"));
  CHECK(up("up{node!~\"x|n\"}"));
  CHECK_FALSE(up("{node!~\"x|n1\",path!=\"\"}"));
  CHECK(up("up{absent=\"\"}"));
  CHECK(up("up{absent!=\"x\",empty=\"\"}"));
  CHECK_FALSE(up("up{absent!=\"\"}"));
  CHECK_FALSE(up("{node=\"n1\",node=\"n2\"}"));
  CHECK(up(R"({path="a\\b\"c\nd"})"));
  CHECK(up(R"({path=~"a.*d"})"));
  CHECK(up(R"({node="\x6e\061"})"));
  CHECK(up(R"({node="\u006e\U00000031"})"));
  CHECK_FALSE(up(R"({node=`\u006e1`})"));
  CHECK(Takes("{l=\"\\u00e4\\u20ac\\U0001f600\"}", "", "l=\"\u00e4\u20ac\U0001f600\""));
}

TEST_CASE("what is no selector is refused with its place") {
  CHECK(Problem("") == "0: expected the name of a metric, or {");
  CHECK(Problem("1up") == "0: expected the name of a metric, or {");
  CHECK(Problem("up[5m]") == "2: expected { or the end");
  CHECK(Problem("up offset 5m") == "3: expected { or the end");
  CHECK(Problem("up{} @ 1") == "5: expected the end");
  CHECK(Problem("sum(up)") == "3: expected { or the end");
  CHECK(Problem("up{") == "3: expected the name of a label, or }");
  CHECK(Problem("up{,}") == "3: expected the name of a label, or }");
  CHECK(Problem("up{a:b=\"c\"}") == "4: expected =, !=, =~ or !~");
  CHECK(Problem("up{a}") == "4: expected =, !=, =~ or !~");
  CHECK(Problem("up{a=b}") == "5: expected a string");
  CHECK(Problem("up{a=\"b\"") == "8: expected , or }");
  CHECK(Problem("up{a=\"b}") == "5: the string does not end");
  CHECK(Problem("up{a=\"b\n\"}") == "5: the string does not end");
  CHECK(Problem("up{a=\"\\z\"}") == "6: unknown escape");
  CHECK(Problem("up{a=\"\\u12\"}") == "6: unknown escape");
  CHECK(Problem("up{a=\"\\ud800\"}") == "6: unknown escape");
  CHECK(Problem("up{a=\"\\777\"}") == "6: unknown escape");
  CHECK(Problem("up{a=\"\\") == "6: unknown escape");
  CHECK(Problem("up{a=\"\\xff\"}") == "5: the string is not UTF-8");
  CHECK(Problem("up{__name__=\"up\"}") == "3: the name of the metric is given twice");
  CHECK(Problem("{a=~\"(\"}") == "4: regular expression: missing ): (");
  CHECK(Problem("{}") == "0: every matcher takes the empty value: one must not");
  CHECK(Problem("{a=~\".*\",b!=\"x\"}") == "0: every matcher takes the empty value: one must not");
  std::string many = "up{";
  for (int i = 0; i < 16; ++i) many += "a=\"b\",";
  CHECK(Problem(many + "}") == "93: more than 16 matchers");
}

TEST_CASE("labels are read as they are written") {
  LabelText labels;
  labels.Read(R"(a="1",b="",c="x,y=\"z\"",d="\\\n\\n")");
  CHECK(labels.Value("a") == "1");
  CHECK(labels.Value("b").empty());
  CHECK(labels.Has("b"));
  CHECK(labels.Value("c") == "x,y=\"z\"");
  CHECK(labels.Value("d") == "\\\n\\n");
  CHECK_FALSE(labels.Has("y"));
  labels.Read("");
  CHECK_FALSE(labels.Has("a"));
}

}  // namespace
}  // namespace huatuo
