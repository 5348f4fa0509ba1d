#include "common/json_text.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "common/utf8.h"

namespace huatuo {
namespace {

std::string Of(const std::function<void(JsonText&)>& write) {
  JsonText json;
  write(json);
  return std::string(json.text());
}

TEST_CASE("objects and arrays are separated by commas, however they nest") {
  CHECK(
      Of([](JsonText& json) {
        json.BeginObject();
        json.Key("empty");
        json.BeginObject();
        json.EndObject();
        json.Key("list");
        json.BeginArray();
        json.Uint(std::numeric_limits<uint64_t>::max());
        json.Sint(std::numeric_limits<int64_t>::min());
        json.BeginArray();
        json.EndArray();
        json.Number(-0.25);
        json.Number(115);
        json.Number(std::numeric_limits<double>::quiet_NaN());
        json.Flag(true);
        json.Null();
        json.EndArray();
        json.Key("text");
        json.BeginText();
        json.Part("a");
        json.NewLine();
        json.Hex(0xff);
        json.EndText();
        json.EndObject();
      }) ==
      R"({"empty":{},"list":[18446744073709551615,-9223372036854775808,[],-0.25,115.0,null,true,null],)"
      R"("text":"a\n0xff"})");
}

TEST_CASE("a text is what the library makes of it, each byte at each place of a word") {
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t place = 0; place < 17; ++place) {
      for (const char* rest : {"", "z", "12345678", "\"\\ é\xff"}) {
        const std::string text =
            std::string(place, 'a') + std::string(1, static_cast<char>(byte)) + rest;
        const std::string json = Of([&](JsonText& json) { json.Text(text); });
        const std::string valid = Utf8(text);
        const bool same = json == boost::json::serialize(boost::json::string_view(valid));
        if (!same) FAIL(text);
      }
    }
  }
}

TEST_CASE("a key may be any text") {
  CHECK(Of([](JsonText& json) {
          json.BeginObject();
          json.Key("a\"b");
          json.Uint(1);
          json.EndObject();
        }) == R"({"a\"b":1})");
}

TEST_CASE("numbers are those that were given") {
  for (const double number :
       {0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 123456789.125, 1e15, 1e16, 1e17, -3.25}) {
    const std::string json = Of([&](JsonText& json) { json.Number(number); });
    CHECK(boost::json::parse(json).as_double() == number);
  }
}

TEST_CASE("a text may be larger than any buffer") {
  const std::string text(100'000, 'x');
  CHECK(Of([&](JsonText& json) { json.Text(text); }) == "\"" + text + "\"");
}

}  // namespace
}  // namespace huatuo
