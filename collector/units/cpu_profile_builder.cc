#include "collector/units/cpu_profile_builder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "common/utf8.h"

namespace huatuo {
namespace {

// Why a sample tells less than it should. Bit i has the name kLosses[i].
constexpr uint32_t kUnknownFrame = 1;
constexpr uint32_t kUnnamedFrame = 2;
constexpr uint32_t kFramesCut = 4;
constexpr uint32_t kStackFull = 8;
constexpr uint32_t kDictionaryFull = 16;
constexpr uint32_t kProcessGone = 32;
constexpr uint32_t kMapsCut = 64;
constexpr std::string_view kLosses[] = {
    "unknown_frame",    // a frame lies in no code that is known
    "unnamed_frame",    // of a frame the file is known, not the function
    "frames_cut",       // the stack is deeper than can be read
    "stack_full",       // the kernel's map of stacks had no room
    "dictionary_full",  // the profile has no room for a frame's name
    "process_gone",     // it had ended before its mappings were read
    "maps_cut",         // it has more mappings, or a longer perf map, than are read
};
constexpr std::string_view kFolded = "stacks_folded";
constexpr uint32_t kNone = ~0U;

// The instruction that a frame was in: a caller's address is where it goes on after its call, which
// can be the next function's begin.
uint64_t Within(const std::vector<uint64_t>& stack, size_t i) {
  return i == 0 || stack[i] == 0 ? stack[i] : stack[i] - 1;
}

std::string Comm(const cpu_profile_key& key) {
  return {key.comm, strnlen(key.comm, sizeof(key.comm))};
}

const std::vector<uint64_t>& StackOf(const CpuSampler::Samples& samples, uint64_t id) {
  static const std::vector<uint64_t> kEmpty;
  const auto it = samples.stacks.find(id);
  return it == samples.stacks.end() ? kEmpty : it->second;
}

void AddValues(v1::ProfileSample& sample, uint64_t count, uint64_t period_ns) {
  sample.add_values(count);
  sample.add_values(count * period_ns);
}

}  // namespace

CpuProfileBuilder::CpuProfileBuilder(Context& context, Resolve resolve, Limits limits)
    : context_(context), resolve_(std::move(resolve)), limits_(limits) {}

// ---- subjects

uint32_t CpuProfileBuilder::ProcessOf(const cpu_profile_key& key, const std::string& comm) {
  const auto [it, fresh] = state_.process_of.try_emplace(
      {key.start_ns, key.tgid, comm}, static_cast<uint32_t>(state_.processes.size()));
  if (fresh) state_.processes.push_back({{key.tgid, key.start_ns, comm}, 0, {}, {}});
  return it->second;
}

uint32_t CpuProfileBuilder::OtherSubject() {
  cpu_profile_key other{};
  const auto [it, fresh] = state_.subject_of.try_emplace({0, 0, 0, 0, "~other"}, 0);
  if (!fresh) return it->second;
  it->second = static_cast<uint32_t>(state_.subjects.size());
  state_.subjects.push_back({ProcessOf(other, "~other"), true});
  state_.profile.add_subjects()->set_comm(Text("~other"));
  return it->second;
}

uint32_t CpuProfileBuilder::AddSubject(const cpu_profile_key& key, const std::string& comm) {
  const auto index = static_cast<uint32_t>(state_.subjects.size());
  state_.subjects.push_back({ProcessOf(key, comm), false});
  v1::ProfileSubject& subject = *state_.profile.add_subjects();
  subject.set_pid(key.tgid);
  subject.set_comm(Text(Utf8(comm)));
  if (auto container = context_.FindContainer(key.cgroup)) {
    *subject.mutable_container() = std::move(*container);
  }
  return index;
}

uint32_t CpuProfileBuilder::SubjectOf(const cpu_profile_key& key) {
  const std::string comm = Comm(key);
  const SubjectKey wanted{key.cgroup.hierarchy, key.cgroup.id, key.start_ns, key.tgid, comm};
  const auto it = state_.subject_of.find(wanted);
  if (it != state_.subject_of.end()) return it->second;
  if (state_.subjects.size() >= limits_.subjects) return OtherSubject();
  const uint32_t index = AddSubject(key, comm);
  state_.subject_of.emplace(wanted, index);
  return index;
}

// ---- frames

// 0, the empty text, when there is no room.
uint32_t CpuProfileBuilder::Text(std::string_view text) {
  if (state_.profile.strings_size() == 0) state_.profile.add_strings("");
  if (text.empty()) return 0;
  const auto it = state_.texts.find(std::string(text));
  if (it != state_.texts.end()) return it->second;
  if (state_.text_bytes + text.size() > limits_.text_bytes) return 0;
  state_.text_bytes += text.size();
  const auto index = static_cast<uint32_t>(state_.profile.strings_size());
  state_.profile.add_strings(std::string(text));
  state_.texts.emplace(text, index);
  return index;
}

uint32_t CpuProfileBuilder::Frame(v1::ProfileFrame frame, uint32_t flags) {
  if (static_cast<size_t>(state_.profile.frames_size()) + 2 >= limits_.dictionary) {
    // The two that are left are for what has no place: one of each kind.
    const auto kind = frame.kind();
    frame.Clear();
    frame.set_kind(kind);
    flags = kDictionaryFull;
  }
  const FrameKey key{frame.kind(), frame.function(), frame.module(), frame.address()};
  const auto [it, fresh] =
      state_.frame_of.try_emplace(key, static_cast<uint32_t>(state_.profile.frames_size()));
  if (fresh) {
    *state_.profile.add_frames() = std::move(frame);
    state_.frame_flags.push_back(flags);
  }
  return it->second;
}

uint32_t CpuProfileBuilder::KernelFrame(uint64_t address) {
  const auto [it, fresh] = state_.kernel_frames.try_emplace(address, 0);
  if (!fresh) return it->second;
  const v1::Frame resolved = context_.Symbolize(address);
  v1::ProfileFrame frame;
  frame.set_kind(v1::ProfileFrame::KERNEL);
  frame.set_function(Text(resolved.symbol()));
  if (!resolved.module().empty()) frame.set_module(Text("[" + resolved.module() + "]"));
  frame.set_address(address);
  frame.set_offset(resolved.offset());
  uint32_t flags = frame.function() == 0 ? kDictionaryFull : 0;
  if (resolved.symbol().empty()) flags = kUnknownFrame;
  return it->second = Frame(std::move(frame), flags);
}

uint32_t CpuProfileBuilder::UserFrameOf(const UserFrame& resolved) {
  v1::ProfileFrame frame;
  frame.set_kind(v1::ProfileFrame::USER);
  // Where nothing is known the address says nothing either, and there would be many.
  if (resolved.module.empty()) return Frame(std::move(frame), kUnknownFrame);
  frame.set_function(Text(resolved.function));
  frame.set_module(Text(resolved.module));
  frame.set_build_id(Text(resolved.build_id));
  frame.set_address(resolved.address);
  frame.set_offset(resolved.offset);
  const bool named = !resolved.function.empty();
  const bool full = frame.module() == 0 || (named && frame.function() == 0);
  const uint32_t flags = (named ? 0 : kUnnamedFrame) | (full ? kDictionaryFull : 0);
  return Frame(std::move(frame), flags);
}

void CpuProfileBuilder::AskFor(uint32_t index, const std::vector<uint64_t>& stack) {
  Process& process = state_.processes[index];
  for (size_t i = 0; i < stack.size(); ++i) {
    if (process.frames.try_emplace(Within(stack, i), kNone).second) {
      process.unknown.push_back(Within(stack, i));
    }
  }
}

void CpuProfileBuilder::ResolveNew() {
  for (Process& process : state_.processes) {
    if (process.unknown.empty()) continue;
    const UserSymbols::Answer answer = resolve_(process.id, process.unknown);
    if (answer.gone) process.flags |= kProcessGone;
    if (answer.cut) process.flags |= kMapsCut;
    for (size_t i = 0; i < process.unknown.size(); ++i) {
      process.frames[process.unknown[i]] = UserFrameOf(answer.frames[i]);
    }
    process.unknown = {};
  }
}

// ---- samples

uint32_t CpuProfileBuilder::AddStack(uint32_t subject, const cpu_profile_key& key,
                                     const CpuSampler::Samples& samples) {
  const std::vector<uint64_t>& kernel = StackOf(samples, key.kernel_stack);
  const std::vector<uint64_t>& user = StackOf(samples, key.user_stack);
  const Process& process = state_.processes[state_.subjects[subject].process];
  Stack stack{subject, 0, static_cast<uint32_t>(state_.frame_refs.size()), 0, 0};
  const auto add = [&](uint32_t frame) {
    state_.frame_refs.push_back(frame);
    stack.flags |= state_.frame_flags[frame];
  };
  for (size_t i = 0; i < kernel.size(); ++i) add(KernelFrame(Within(kernel, i)));
  for (size_t i = 0; i < user.size(); ++i) add(process.frames.at(Within(user, i)));
  stack.count = static_cast<uint32_t>(kernel.size() + user.size());
  if (std::max(kernel.size(), user.size()) >= CPU_PROFILE_DEPTH) stack.flags |= kFramesCut;
  if ((key.flags & CPU_PROFILE_NO_ROOM) != 0) stack.flags |= kStackFull;
  if ((stack.flags & kUnknownFrame) != 0) stack.flags |= process.flags & kProcessGone;
  if ((stack.flags & (kUnknownFrame | kUnnamedFrame)) != 0) stack.flags |= process.flags & kMapsCut;
  state_.stacks.push_back(stack);
  return static_cast<uint32_t>(state_.stacks.size() - 1);
}

void CpuProfileBuilder::Count(const cpu_profile_key& key, uint64_t count,
                              const CpuSampler::Samples& samples) {
  const uint32_t subject = SubjectOf(key);
  StackKey wanted{subject, key.kernel_stack, key.user_stack, key.flags};
  const bool full =
      state_.stacks.size() >= limits_.stacks || state_.frame_refs.size() >= limits_.frames;
  if (state_.subjects[subject].other || (full && !state_.stack_of.contains(wanted))) {
    wanted = {subject, 0, 0, kNone};
  }
  const auto [it, fresh] = state_.stack_of.try_emplace(wanted, 0);
  if (fresh && std::get<3>(wanted) == kNone) {
    it->second = static_cast<uint32_t>(state_.stacks.size());
    state_.stacks.push_back({subject, kNone, 0, 0, 0});
  } else if (fresh) {
    it->second = AddStack(subject, key, samples);
  }
  state_.stacks[it->second].samples += count;
}

void CpuProfileBuilder::Add(const CpuSampler::Samples& samples) {
  for (const auto& [key, count] : samples.counts) {
    const uint32_t subject = SubjectOf(key);
    if (state_.subjects[subject].other) continue;
    if (state_.stack_of.contains({subject, key.kernel_stack, key.user_stack, key.flags})) continue;
    AskFor(state_.subjects[subject].process, StackOf(samples, key.user_stack));
  }
  ResolveNew();
  for (const auto& [key, count] : samples.counts) Count(key, count, samples);
}

// ---- the profile

// The most frequent stacks, as many as there is room for; the rest without frames, by subject.
void CpuProfileBuilder::AddSamples(uint64_t period_ns) {
  constexpr size_t kFoldedBytes = 32;  // of a sample without frames, at most
  v1::Profile& profile = state_.profile;
  std::stable_sort(state_.stacks.begin(), state_.stacks.end(),
                   [](const Stack& a, const Stack& b) { return a.samples > b.samples; });
  size_t bytes = profile.ByteSizeLong() + state_.subjects.size() * kFoldedBytes + 1024;
  std::vector<uint64_t> folded(state_.subjects.size());
  for (const Stack& stack : state_.stacks) {
    v1::ProfileSample sample;
    sample.set_subject(stack.subject);
    for (uint32_t i = 0; i < stack.count; ++i) {
      sample.add_frames(state_.frame_refs[stack.first + i]);
    }
    AddValues(sample, stack.samples, period_ns);
    const size_t more = sample.ByteSizeLong() + 6;
    if (stack.flags == kNone || bytes + more > limits_.bytes) {
      folded[stack.subject] += stack.samples;
      continue;
    }
    bytes += more;
    *profile.add_samples() = std::move(sample);
  }
  for (uint32_t subject = 0; subject < folded.size(); ++subject) {
    if (folded[subject] == 0) continue;
    v1::ProfileSample& sample = *profile.add_samples();
    sample.set_subject(subject);
    AddValues(sample, folded[subject], period_ns);
  }
  AddLosses(std::accumulate(folded.begin(), folded.end(), uint64_t{0}));
}

void CpuProfileBuilder::AddLosses(uint64_t folded) {
  std::array<uint64_t, std::size(kLosses)> counts{};
  for (const Stack& stack : state_.stacks) {
    if (stack.flags == kNone) continue;
    for (size_t i = 0; i < counts.size(); ++i) {
      if ((stack.flags >> i & 1) != 0) counts[i] += stack.samples;
    }
  }
  const auto add = [&](std::string_view cause, uint64_t count) {
    if (count == 0) return;
    v1::Loss& loss = *state_.profile.add_losses();
    loss.set_cause(std::string(cause));
    loss.set_count(count);
  };
  for (size_t i = 0; i < counts.size(); ++i) add(kLosses[i], counts[i]);
  add(kFolded, folded);
}

v1::Profile CpuProfileBuilder::Take(uint64_t period_ns) {
  Text("");
  for (const ProfileValue& value : kCpuProfileValues) {
    v1::ValueType& type = *state_.profile.add_values();
    type.set_type(std::string(value.type));
    type.set_unit(std::string(value.unit));
  }
  AddSamples(period_ns);
  return std::exchange(state_, State()).profile;
}

}  // namespace huatuo
