#include "collector/symbols/demangle.h"

#include <catch2/catch.hpp>
#include <chrono>

namespace huatuo {
namespace {

TEST_CASE("names as people write them") {
  CHECK(Demangle("main") == "main");
  CHECK(Demangle("runtime.mallocgc") == "runtime.mallocgc");
  CHECK(Demangle("_ZN4busy6CallerERVm") == "busy::Caller(unsigned long volatile&)");
  CHECK(Demangle("_ZNSt6vectorIiSaIiEE9push_backEOi") ==
        "std::vector<int, std::allocator<int> >::push_back(int&&)");
  CHECK(Demangle("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE") == "core::fmt::Formatter::pad");
  CHECK(Demangle("_ZN61_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..fmt..Debug$GT$3fmt"
                 "17h0123456789abcdefE") == "<alloc::vec::Vec<T> as core::fmt::Debug>::fmt");
  CHECK(Demangle("_RNvC7mycrate4main") == "mycrate::main");
  CHECK(Demangle("_RNvMs0_NtCs2Dm4oNJmkOD_5alloc3vecINtB5_3VechE4push") ==
        "<alloc::vec::Vec<u8>>::push");
  CHECK(Demangle("_Rwhat") == "_Rwhat");
  CHECK(Demangle("_Zwhat") == "_Zwhat");
  CHECK(Demangle("") == "");
}

TEST_CASE("names are safe as text and bounded") {
  CHECK(Demangle("a\nb\x01") == "a?b?");
  CHECK(Demangle("\xff") == "\xef\xbf\xbd");
  CHECK(Demangle(std::string(2000, 'x')).size() == 512);
}

TEST_CASE("a name made to explode does not") {
  // Each pair is two of the one before: 2^60 words when written out.
  std::string bomb = "_Z1fSt4pairIiiE";
  for (int i = 0; i < 60; ++i) {
    const std::string last = i == 0 ? "S_" : "S" + std::string(1, "0123456789"[i % 10]) + "_";
    bomb += "S_I" + last + last + "E";
  }
  // The same with tuples of v0, each a pair of the one before.
  std::string rust = "_RINvC1a1b";
  const auto reference = [](size_t at) {
    return std::string("B") + "0123456789abcdefghijklmnopqrstuvwxyz"[at - 1] + "_";
  };
  size_t last = rust.size() - 2;
  rust += "ThhE";
  for (int i = 0; i < 3; ++i) {
    const size_t at = rust.size() - 2;
    rust += "T" + reference(last) + reference(last) + "E";
    last = at;
  }
  for (int i = 0; i < 60; ++i) rust += "T" + reference(last) + reference(last) + "E";
  rust += "E";
  const auto begin = std::chrono::steady_clock::now();
  CHECK(Demangle(bomb).size() <= 512);
  CHECK(Demangle(rust).size() <= 512);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
}

TEST_CASE("bytes that are no UTF-8 make no name longer than the limit") {
  CHECK(Demangle(std::string(600, '\xff')).size() == 510);
}

}  // namespace
}  // namespace huatuo
