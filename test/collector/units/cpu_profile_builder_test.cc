#include "collector/units/cpu_profile_builder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "collector/kernel/cpu_sampler.h"
#include "test/collector/fake_context.h"

namespace huatuo {
namespace {

cpu_profile_key Key(uint32_t pid, const char* comm, uint64_t kernel, uint64_t user) {
  cpu_profile_key key{};
  key.cgroup = {pid + 1000, 0, 0};
  key.start_ns = pid;
  key.tgid = pid;
  key.kernel_stack = kernel;
  key.user_stack = user;
  std::strncpy(key.comm, comm, sizeof(key.comm) - 1);
  return key;
}

// User addresses below 0x1000 are functions, those below 0x2000 of a known file, others unknown.
UserSymbols::Answer FakeResolve(const ProcessId& process, std::span<const uint64_t> addresses) {
  UserSymbols::Answer answer;
  answer.gone = process.comm == "gone";
  for (const uint64_t address : addresses) {
    UserFrame& frame = answer.frames.emplace_back();
    if (address >= 0x2000 || answer.gone) continue;
    frame.module = "/bin/" + process.comm;
    frame.address = address;
    frame.offset = address < 0x1000 ? address % 16 : address;
    if (address < 0x1000) frame.function = fmt::format("f{}", address / 16);
  }
  return answer;
}

std::string Label(const v1::Profile& profile, uint32_t index) {
  const v1::ProfileFrame& frame = profile.frames(static_cast<int>(index));
  const std::string name = profile.strings(static_cast<int>(frame.function()));
  return fmt::format("{}{}{}+{:x}", frame.kind() == v1::ProfileFrame::KERNEL ? "k:" : "",
                     profile.strings(static_cast<int>(frame.module())),
                     name.empty() ? "" : ":" + name, frame.offset());
}

std::string Print(const v1::Profile& profile) {
  std::string text;
  for (const v1::ProfileSample& sample : profile.samples()) {
    const v1::ProfileSubject& subject = profile.subjects(static_cast<int>(sample.subject()));
    text += fmt::format("{} {}{} {}/{}:", subject.pid(),
                        profile.strings(static_cast<int>(subject.comm())),
                        subject.has_container() ? "@" + subject.container().id() : "",
                        sample.values(0), sample.values(1));
    for (const uint32_t frame : sample.frames()) text += " " + Label(profile, frame);
    text += "\n";
  }
  for (const v1::Loss& loss : profile.losses()) {
    text += fmt::format("{} {}\n", loss.cause(), loss.count());
  }
  return text;
}

struct Bench {
  FakeContext context;
  CpuProfileBuilder builder;
  explicit Bench(CpuProfileBuilder::Limits limits = {}) : builder(context, FakeResolve, limits) {}
};

TEST_CASE("two drains become one profile; a caller is named by its call") {
  Bench bench;
  bench.context.Add(1001, "cafe", "pod");
  CpuSampler::Samples samples;
  samples.stacks = {{7, {0x10, 0x30}}, {8, {0xffff0001, 0xffff0002}}};
  samples.counts = {{Key(1, "app", 0, 7), 3}, {Key(2, "gone", 8, 7), 1}};
  bench.builder.Add(samples);
  samples.counts = {{Key(1, "app", 0, 7), 2}};
  bench.builder.Add(samples);
  CHECK(Print(bench.builder.Take(10)) ==
        "1 app@cafe 5/50: /bin/app:f1+0 /bin/app:f2+f\n"
        "2 gone 1/10: k:+0 k:+0 +0 +0\n"
        "unknown_frame 1\nprocess_gone 1\n");
  CHECK(Print(bench.builder.Take(10)).empty());
}

TEST_CASE("a sample tells what it lacks") {
  Bench bench;
  CpuSampler::Samples samples;
  samples.stacks = {
      {1, std::vector<uint64_t>(CPU_PROFILE_DEPTH, 0x10)}, {2, {0x1500}}, {3, {~0ULL}}};
  cpu_profile_key no_room = Key(4, "d", 0, 0);
  no_room.flags = CPU_PROFILE_NO_ROOM;
  samples.counts = {
      {Key(1, "a", 0, 1), 2}, {Key(2, "b", 0, 2), 3}, {Key(3, "c", 0, 3), 4}, {no_room, 5}};
  bench.builder.Add(samples);
  const v1::Profile profile = bench.builder.Take(1);
  std::string losses;
  for (const v1::Loss& loss : profile.losses()) {
    losses += fmt::format("{} {}\n", loss.cause(), loss.count());
  }
  CHECK(losses == "unknown_frame 4\nunnamed_frame 3\nframes_cut 2\nstack_full 5\n");
}

// Nothing that a limit takes away is missing from the sum.
uint64_t Total(const v1::Profile& profile) {
  uint64_t sum = 0;
  for (const v1::ProfileSample& sample : profile.samples()) sum += sample.values(0);
  return sum;
}

CpuSampler::Samples Many(uint32_t processes, uint64_t stacks) {
  CpuSampler::Samples samples;
  for (uint64_t id = 1; id <= stacks; ++id) {
    for (uint64_t frame = 0; frame < 40; ++frame) samples.stacks[id].push_back(id * 40 + frame);
  }
  for (uint32_t pid = 1; pid <= processes; ++pid) {
    for (uint64_t id = 1; id <= stacks; ++id) samples.counts.emplace_back(Key(pid, "p", 0, id), id);
  }
  return samples;
}

TEST_CASE("the rarest stacks lose their frames when a profile would be too large") {
  CpuProfileBuilder::Limits limits;
  limits.bytes = 110'000;
  Bench bench(limits);
  bench.builder.Add(Many(1, 200));
  const v1::Profile profile = bench.builder.Take(1);
  CHECK(profile.ByteSizeLong() <= limits.bytes);
  CHECK(profile.samples(0).values(0) == 200);
  CHECK(profile.samples(0).frames_size() == 40);
  CHECK(profile.samples(profile.samples_size() - 1).frames_size() == 0);
  CHECK(profile.losses(profile.losses_size() - 1).cause() == "stacks_folded");
  CHECK(profile.losses(profile.losses_size() - 1).count() ==
        profile.samples(profile.samples_size() - 1).values(0));
  CHECK(Total(profile) == 200 * 201 / 2);
}

TEST_CASE("processes, stacks and names beyond their limits are counted without detail") {
  const CpuProfileBuilder::Limits tight[] = {
      {.stacks = 5}, {.frames = 100}, {.subjects = 3}, {.dictionary = 10}, {.text_bytes = 30}};
  std::string losses;
  for (const CpuProfileBuilder::Limits& limits : tight) {
    Bench bench(limits);
    bench.builder.Add(Many(5, 7));
    const v1::Profile profile = bench.builder.Take(1);
    CHECK(Total(profile) == 5 * 7 * 8 / 2);
    for (const v1::Loss& loss : profile.losses()) {
      losses += fmt::format("{} {} ", loss.cause(), loss.count());
    }
    losses += "\n";
  }
  CHECK(losses ==
        "stacks_folded 125 \nstacks_folded 134 \nstacks_folded 56 \ndictionary_full 140 \n"
        "dictionary_full 110 \n");
}

TEST_CASE("the largest profile keeps to the bound of the wire") {
  Bench bench;
  bench.builder.Add(Many(5'000, 12));
  const v1::Profile profile = bench.builder.Take(1);
  CHECK(profile.ByteSizeLong() <= 4 << 20);
  CHECK(Total(profile) == 5'000 * 12 * 13 / 2);
}

TEST_CASE("lists of CPUs as the kernel writes them") {
  const auto print = [](std::string_view text) {
    return fmt::format("{}", fmt::join(ParseCpuList(text), " "));
  };
  CHECK(print("0-3,8\n") == "0 1 2 3 8");
  CHECK(print("5") == "5");
  CHECK(print("") == "");
  CHECK(print("x") == "");
  CHECK(print("1-,2") == "1 2");
  CHECK(ParseCpuList("0-4294967295").size() == 8192);
}

}  // namespace
}  // namespace huatuo
