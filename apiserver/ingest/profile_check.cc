#include "apiserver/ingest/profile_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "apiserver/ingest/hello.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kMaxName = 64;
constexpr size_t kMaxText = 256;
constexpr int kMaxValues = 8;
constexpr int kMaxLosses = 64;
constexpr int kMaxDepth = 1024;
constexpr int64_t kMaxDurationNs = 366LL * 86400 * 1'000'000'000;

absl::Status CheckName(std::string_view field, const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      });
  if (good) return absl::OkStatus();
  return InvalidArgument(fmt::format("{}: not 1 to {} of [a-z0-9_]", field, kMaxName));
}

absl::Status CheckLength(std::string_view field, const std::string& text, size_t most) {
  if (text.size() <= most) return absl::OkStatus();
  return InvalidArgument(fmt::format("{}: {} bytes: at most {}", field, text.size(), most));
}

absl::Status CheckCount(std::string_view field, int count, int most) {
  if (count <= most) return absl::OkStatus();
  return InvalidArgument(fmt::format("{}: {}: at most {}", field, count, most));
}

absl::Status CheckIndex(std::string_view field, uint32_t index, int count) {
  if (index < static_cast<uint32_t>(count)) return absl::OkStatus();
  return InvalidArgument(fmt::format("{}: {}: there are {}", field, index, count));
}

absl::Status CheckTime(const v1::Profile& profile) {
  if (profile.time_ns() < 0) return InvalidArgument("time_ns: before 1970");
  if (profile.duration_ns() < 0 || profile.duration_ns() > kMaxDurationNs ||
      profile.time_ns() > std::numeric_limits<int64_t>::max() - profile.duration_ns()) {
    return InvalidArgument("duration_ns: not from 0 to 366 days, or beyond the end of time");
  }
  return absl::OkStatus();
}

absl::Status CheckValueTypes(const v1::Profile& profile) {
  if (profile.values().empty()) return InvalidArgument("values: none");
  RETURN_IF_ERROR(CheckCount("values", profile.values_size(), kMaxValues));
  for (const v1::ValueType& value : profile.values()) {
    RETURN_IF_ERROR(CheckName("values: type", value.type()));
    RETURN_IF_ERROR(CheckName("values: unit", value.unit()));
  }
  return absl::OkStatus();
}

absl::Status CheckStrings(const v1::Profile& profile) {
  if (profile.strings().empty() || !profile.strings(0).empty()) {
    return InvalidArgument("strings: the first one is not empty");
  }
  return absl::OkStatus();
}

absl::Status CheckFrame(const v1::ProfileFrame& frame, int strings) {
  RETURN_IF_ERROR(CheckIndex("function", frame.function(), strings));
  RETURN_IF_ERROR(CheckIndex("module", frame.module(), strings));
  return CheckIndex("build_id", frame.build_id(), strings);
}

absl::Status CheckSubject(const v1::ProfileSubject& subject, int strings) {
  const v1::Container& container = subject.container();
  for (const std::string* text :
       {&container.id(), &container.pod_uid(), &container.qos(), &container.runtime(),
        &container.type(), &container.name(), &container.hostname()}) {
    RETURN_IF_ERROR(CheckLength("container", *text, kMaxText));
  }
  return CheckIndex("comm", subject.comm(), strings);
}

absl::Status CheckSample(const v1::ProfileSample& sample, const v1::Profile& profile) {
  RETURN_IF_ERROR(CheckIndex("subject", sample.subject(), profile.subjects_size()));
  RETURN_IF_ERROR(CheckCount("frames", sample.frames_size(), kMaxDepth));
  for (const uint32_t frame : sample.frames()) {
    RETURN_IF_ERROR(CheckIndex("frames", frame, profile.frames_size()));
  }
  if (sample.values_size() == profile.values_size()) return absl::OkStatus();
  return InvalidArgument(
      fmt::format("values: {}: the profile has {}", sample.values_size(), profile.values_size()));
}

absl::Status CheckLosses(const v1::Profile& profile) {
  RETURN_IF_ERROR(CheckCount("losses", profile.losses_size(), kMaxLosses));
  for (const v1::Loss& loss : profile.losses()) {
    RETURN_IF_ERROR(CheckName("losses: cause", loss.cause()));
  }
  return absl::OkStatus();
}

// Each of `list` by `check`; the message says which one it was.
template <typename List, typename Check>
absl::Status CheckEach(std::string_view field, const List& list, const Check& check) {
  for (int i = 0; i < list.size(); ++i) {
    const absl::Status status = check(list.Get(i));
    if (!status.ok()) return Annotate(status, fmt::format("{} {}", field, i));
  }
  return absl::OkStatus();
}

absl::Status CheckSameValues(const v1::ProfileType& type, const v1::Profile& profile) {
  const auto same = [](const v1::ValueType& a, const v1::ValueType& b) {
    return a.type() == b.type() && a.unit() == b.unit();
  };
  if (std::equal(type.values().begin(), type.values().end(), profile.values().begin(),
                 profile.values().end(), same)) {
    return absl::OkStatus();
  }
  return InvalidArgument(
      fmt::format("values: not those of type {} of unit {}", type.name(), profile.unit()));
}

}  // namespace

absl::Status CheckProfilesHello(const v1::ProfilesHello& hello) {
  v1::Hello whole;
  whole.set_protocol(hello.protocol());
  whole.set_node(hello.node());
  whole.set_catalog_sha256(std::string(32, '\0'));
  whole.set_epoch(hello.epoch());
  whole.set_next_sequence(hello.next_sequence());
  return CheckHello(whole);
}

absl::Status CheckProfile(const v1::Profile& profile) {
  if (profile.profile_id().size() != 16) {
    return InvalidArgument(
        fmt::format("profile_id: {} bytes: not 16", profile.profile_id().size()));
  }
  RETURN_IF_ERROR(CheckName("unit", profile.unit()));
  RETURN_IF_ERROR(CheckName("type", profile.type()));
  RETURN_IF_ERROR(CheckLength("task_id", profile.task_id(), kMaxText));
  RETURN_IF_ERROR(CheckTime(profile));
  RETURN_IF_ERROR(CheckValueTypes(profile));
  RETURN_IF_ERROR(CheckStrings(profile));
  RETURN_IF_ERROR(CheckLosses(profile));
  const int strings = profile.strings_size();
  RETURN_IF_ERROR(CheckEach("frame", profile.frames(),
                            [&](const auto& frame) { return CheckFrame(frame, strings); }));
  RETURN_IF_ERROR(CheckEach("subject", profile.subjects(),
                            [&](const auto& subject) { return CheckSubject(subject, strings); }));
  return CheckEach("sample", profile.samples(),
                   [&](const auto& sample) { return CheckSample(sample, profile); });
}

absl::Status CheckProfileUnit(const v1::Catalog& catalog,
                              const std::vector<v1::RefusedUnit>& refused,
                              const v1::Profile& profile) {
  for (const v1::RefusedUnit& unit : refused) {
    if (unit.unit() != profile.unit()) continue;
    return InvalidArgument(fmt::format("unit {} is refused: {}", unit.unit(), unit.reason()));
  }
  for (const v1::Unit& unit : catalog.units()) {
    if (unit.name() != profile.unit()) continue;
    for (const v1::ProfileType& type : unit.profiles()) {
      if (type.name() == profile.type()) return CheckSameValues(type, profile);
    }
    return InvalidArgument(
        fmt::format("unit {} makes no profiles of type {}", unit.name(), profile.type()));
  }
  return InvalidArgument(fmt::format("the node has no unit {}", profile.unit()));
}

}  // namespace huatuo
