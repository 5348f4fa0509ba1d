#include "collector/units/cpu_profile_hold.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

CpuSampler::Samples Drained(uint32_t pid, int64_t start_ns, uint64_t count, uint64_t stack) {
  CpuSampler::Samples samples;
  cpu_profile_key key{};
  key.tgid = pid;
  key.start_ns = static_cast<uint64_t>(start_ns);
  key.user_stack = stack;
  samples.counts.emplace_back(key, count);
  samples.stacks[stack] = {stack};
  return samples;
}

// "PID:COUNT@STACK ..." and, when a stack is missing, "PID:COUNT@?".
std::string Print(const CpuSampler::Samples& samples) {
  std::string text;
  for (const auto& [key, count] : samples.counts) {
    const auto stack = samples.stacks.find(key.user_stack);
    const bool found = stack != samples.stacks.end();
    text +=
        fmt::format("{}:{}@{} ", key.tgid, count, found ? std::to_string(stack->second[0]) : "?");
  }
  return text;
}

TEST_CASE("the young are passed on at once, the old in one go") {
  SampleHold hold;
  const int64_t begin = 1000 * kSecond;
  CHECK(Print(hold.Sift(Drained(1, begin - kSecond, 3, 7), begin)) == "1:3@7 ");
  CHECK(Print(hold.Sift(Drained(2, 0, 5, 8), begin)) == "");
  CHECK(Print(hold.Sift(Drained(2, 0, 1, 8), begin + 5 * kSecond)) == "");
  CHECK(Print(hold.Sift(Drained(1, begin - kSecond, 1, 7), begin + 10 * kSecond)) ==
        "1:1@7 2:5@8 2:1@8 ");
  CHECK(Print(hold.Rest()) == "");
  // The time begins anew with the next that is held.
  CHECK(Print(hold.Sift(Drained(2, 0, 2, 9), begin + 19 * kSecond)) == "");
  CHECK(Print(hold.Sift({}, begin + 28 * kSecond)) == "");
  CHECK(Print(hold.Rest()) == "2:2@9 ");
}

TEST_CASE("so many stacks are held and no more") {
  SampleHold hold;
  size_t passed = 0;
  for (uint64_t i = 1; i <= 3 * SampleHold::kMaxStacks; ++i) {
    passed += hold.Sift(Drained(2, 0, 1, i), 1000 * kSecond).counts.size();
    REQUIRE(i - passed <= SampleHold::kMaxStacks);
  }
  CHECK(passed + hold.Rest().counts.size() == 3 * SampleHold::kMaxStacks);
}

}  // namespace
}  // namespace huatuo
