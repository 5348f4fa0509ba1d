// Makes a v1::Profile of what a CpuSampler has drained, drain by drain.
//
// User frames are resolved at the drain that brings them, since the process may be gone at the
// next. Memory is bounded whatever runs; what does not fit loses its frames, never its count:
// the values of a profile always add up to what the programs have counted. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "collector/context.h"
#include "collector/kernel/cpu_sampler.h"
#include "collector/symbols/user_symbols.h"
#include "collector/unit.h"

namespace huatuo {

inline constexpr ProfileValue kCpuProfileValues[] = {{"samples", "count"}, {"cpu", "nanoseconds"}};

class CpuProfileBuilder {
 public:
  using Resolve =
      std::function<UserSymbols::Answer(const ProcessId&, std::span<const uint64_t> addresses)>;

  struct Limits {
    size_t bytes = 4 << 20;      // of the serialized profile
    size_t stacks = 32'768;      // that are different
    size_t frames = 1 << 20;     // of all stacks together
    size_t subjects = 4'096;     // the rest is one subject, "~other"
    size_t dictionary = 32'768;  // frames that are different
    size_t text_bytes = 768 << 10;
  };

  CpuProfileBuilder(Context& context, Resolve resolve, Limits limits);

  void Add(const CpuSampler::Samples& samples);

  // Everything that was added since the last call. Sets values, the dictionary, samples and the
  // losses by cause (each the number of samples that it concerns). `period_ns`: CPU time that one
  // sample stands for.
  v1::Profile Take(uint64_t period_ns);

 private:
  // Cgroup, start, pid and comm of a cpu_profile_key.
  using SubjectKey = std::tuple<uint32_t, uint64_t, uint64_t, uint32_t, std::string>;
  using ProcessKey = std::tuple<uint64_t, uint32_t, std::string>;
  using FrameKey = std::tuple<uint32_t, uint32_t, uint32_t, uint64_t>;  // kind, texts, address
  // Subject, ids of the stacks, flags of the key: the ids are hashes, the same in every drain.
  using StackKey = std::tuple<uint32_t, uint64_t, uint64_t, uint32_t>;

  struct Subject {
    uint32_t process = 0;
    bool other = false;
  };
  struct Process {
    ProcessId id;
    uint32_t flags = 0;
    absl::flat_hash_map<uint64_t, uint32_t> frames;  // by address
    std::vector<uint64_t> unknown;                   // addresses of this drain
  };
  struct Stack {
    uint32_t subject = 0;
    uint32_t flags = 0;
    uint32_t first = 0;  // in frame_refs
    uint32_t count = 0;
    uint64_t samples = 0;
  };
  // Everything that Take empties.
  struct State {
    v1::Profile profile;
    absl::flat_hash_map<std::string, uint32_t> texts;
    size_t text_bytes = 0;
    absl::flat_hash_map<SubjectKey, uint32_t> subject_of;
    std::vector<Subject> subjects;
    absl::flat_hash_map<ProcessKey, uint32_t> process_of;
    std::vector<Process> processes;
    absl::flat_hash_map<FrameKey, uint32_t> frame_of;
    std::vector<uint32_t> frame_flags;
    absl::flat_hash_map<uint64_t, uint32_t> kernel_frames;  // by address
    absl::flat_hash_map<StackKey, uint32_t> stack_of;
    std::vector<Stack> stacks;
    std::vector<uint32_t> frame_refs;
  };

  uint32_t SubjectOf(const cpu_profile_key& key);
  uint32_t AddSubject(const cpu_profile_key& key, const std::string& comm);
  uint32_t ProcessOf(const cpu_profile_key& key, const std::string& comm);
  uint32_t OtherSubject();

  void AskFor(uint32_t process, const std::vector<uint64_t>& stack);
  void ResolveNew();
  uint32_t Text(std::string_view text);
  uint32_t Frame(v1::ProfileFrame frame, uint32_t flags);
  uint32_t KernelFrame(uint64_t address);
  uint32_t UserFrameOf(const UserFrame& resolved);

  void Count(const cpu_profile_key& key, uint64_t count, const CpuSampler::Samples& samples);
  uint32_t AddStack(uint32_t subject, const cpu_profile_key& key,
                    const CpuSampler::Samples& samples);
  void AddSamples(uint64_t period_ns);
  void AddLosses(uint64_t folded);

  Context& context_;
  const Resolve resolve_;
  const Limits limits_;
  State state_;
};

}  // namespace huatuo
