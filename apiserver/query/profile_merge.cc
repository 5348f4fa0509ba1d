#include "apiserver/query/profile_merge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

uint64_t Sum(uint64_t a, uint64_t b) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return a > kMost - b ? kMost : a + b;
}

std::string Names(const std::vector<ProfileMerge::Value>& values) {
  std::vector<std::string> names;
  for (const auto& value : values) names.push_back(value.type + " in " + value.unit);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

absl::Status ProfileMerge::Add(std::string_view node, const v1::Profile& profile) {
  RETURN_IF_ERROR(AddValues(profile));
  if (texts_.empty()) Text("");
  AddSpan(profile);
  for (const v1::Loss& loss : profile.losses()) losses_[loss.cause()] += loss.count();
  const std::vector<uint32_t> frames = AddFrames(profile);
  const std::vector<uint32_t> subjects = AddSubjects(node, profile);
  for (const v1::ProfileSample& added : profile.samples()) {
    std::vector<uint32_t> stack;
    stack.reserve(static_cast<size_t>(added.frames_size()));
    for (const uint32_t frame : added.frames()) stack.push_back(frames[frame]);
    Sample& sample = Find(subjects[added.subject()], std::move(stack));
    for (size_t i = 0; i < values_.size(); ++i) {
      const uint64_t value = added.values(static_cast<int>(i));
      sample.values[i] = Sum(sample.values[i], value);
      values_[i].total = Sum(values_[i].total, value);
    }
  }
  ++profiles_;
  return absl::OkStatus();
}

absl::Status ProfileMerge::AddValues(const v1::Profile& profile) {
  std::vector<Value> values;
  for (const v1::ValueType& value : profile.values()) {
    values.push_back({value.type(), value.unit(), 0});
  }
  if (profiles_ == 0) {
    values_ = std::move(values);
    return absl::OkStatus();
  }
  const auto same = [](const Value& a, const Value& b) {
    return a.type == b.type && a.unit == b.unit;
  };
  if (std::equal(values.begin(), values.end(), values_.begin(), values_.end(), same)) {
    return absl::OkStatus();
  }
  return InvalidArgument(
      fmt::format("profiles: {} and {}: cannot be one result", Names(values_), Names(values)));
}

void ProfileMerge::AddSpan(const v1::Profile& profile) {
  const int64_t end_ns = profile.time_ns() + profile.duration_ns();
  const bool first = profiles_ == 0;
  begin_ns_ = first ? profile.time_ns() : std::min(begin_ns_, profile.time_ns());
  end_ns_ = first ? end_ns : std::max(end_ns_, end_ns);
  period_ns_ = first || period_ns_ == profile.period_ns() ? profile.period_ns() : 0;
}

uint32_t ProfileMerge::Text(std::string_view text) {
  const auto found = text_places_.find(text);
  if (found != text_places_.end()) return found->second;
  const auto place =
      text_places_.emplace(std::string(text), static_cast<uint32_t>(texts_.size())).first;
  texts_.push_back(&place->first);
  return place->second;
}

uint32_t ProfileMerge::AddFrame(const Frame& frame) {
  const auto [place, is_new] =
      frame_places_.try_emplace(frame, static_cast<uint32_t>(frames_.size()));
  if (is_new) frames_.push_back(frame);
  return place->second;
}

uint32_t ProfileMerge::AddSubject(const Subject& subject) {
  const auto [place, is_new] =
      subject_places_.try_emplace(subject, static_cast<uint32_t>(subjects_.size()));
  if (is_new) subjects_.push_back(subject);
  return place->second;
}

// Where each frame of the profile is here.
std::vector<uint32_t> ProfileMerge::AddFrames(const v1::Profile& profile) {
  std::vector<uint32_t> texts;
  texts.reserve(static_cast<size_t>(profile.strings_size()));
  for (const std::string& text : profile.strings()) texts.push_back(Text(text));
  std::vector<uint32_t> places;
  places.reserve(static_cast<size_t>(profile.frames_size()));
  for (const v1::ProfileFrame& frame : profile.frames()) {
    places.push_back(AddFrame({.kernel = frame.kind() == v1::ProfileFrame::KERNEL,
                               .function = texts[frame.function()],
                               .module = texts[frame.module()],
                               .build_id = texts[frame.build_id()],
                               .address = frame.address(),
                               .offset = frame.offset()}));
  }
  return places;
}

std::vector<uint32_t> ProfileMerge::AddSubjects(std::string_view node, const v1::Profile& profile) {
  const uint32_t node_text = Text(node);
  std::vector<uint32_t> places;
  places.reserve(static_cast<size_t>(profile.subjects_size()));
  for (const v1::ProfileSubject& subject : profile.subjects()) {
    const v1::Container& container = subject.container();
    places.push_back(AddSubject({.node = node_text,
                                 .comm = Text(profile.strings(static_cast<int>(subject.comm()))),
                                 .container_id = Text(container.id()),
                                 .container_name = Text(container.name()),
                                 .namespace_name = Text(subject.namespace_name()),
                                 .pod_name = Text(subject.pod_name()),
                                 .pod_uid = Text(container.pod_uid()),
                                 .pid = subject.pid()}));
  }
  return places;
}

ProfileMerge::Sample& ProfileMerge::Find(uint32_t subject, std::vector<uint32_t> frames) {
  const auto [place, is_new] =
      sample_places_.try_emplace({subject, std::move(frames)}, samples_.size());
  if (is_new) {
    samples_.push_back({subject, place->first.second, std::vector<uint64_t>(values_.size())});
  }
  return samples_[place->second];
}

std::string ProfileMerge::Label(const Frame& frame) const {
  if (frame.function != 0) return text(frame.function);
  const std::string& module = text(frame.module);
  if (!module.empty()) {
    return fmt::format("{}+{:#x}", module.substr(module.rfind('/') + 1), frame.offset);
  }
  return frame.address == 0 ? "[unknown]" : fmt::format("{:#x}", frame.address);
}

}  // namespace huatuo
