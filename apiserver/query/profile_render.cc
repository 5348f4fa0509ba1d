#include "apiserver/query/profile_render.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <utility>

#include "apiserver/query/profile_flame.h"
#include "apiserver/query/profile_pprof.h"
#include "common/document.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace json = boost::json;

// A name in a folded stack: what separates there is replaced, since its readers know no escapes.
std::string Foldable(std::string name) {
  for (char& c : name) {
    if (c == ';') c = ':';
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return name;
}

// "comm;outermost;…;innermost N", a line for each different one, in the order of their text.
// Functions of the kernel end in "_[k]".
std::string FoldedOf(const ProfileMerge& profile) {
  std::vector<std::string> names;
  for (const ProfileMerge::Frame& frame : profile.frames()) {
    names.push_back(Foldable(profile.Label(frame)) + (frame.kernel ? "_[k]" : ""));
  }
  std::map<std::string, uint64_t> lines;
  for (const ProfileMerge::Sample& sample : profile.samples()) {
    const std::string& comm = profile.text(profile.subjects()[sample.subject].comm);
    std::string line = comm.empty() ? "[unknown]" : Foldable(comm);
    for (auto frame = sample.frames.rbegin(); frame != sample.frames.rend(); ++frame) {
      line += ';' + names[*frame];
    }
    lines[line] += sample.values.empty() ? 0 : sample.values.back();
  }
  std::string out;
  for (const auto& [line, value] : lines) out += fmt::format("{} {}\n", line, value);
  return out;
}

// Unknown is absent.
void Add(json::object& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

json::object FrameJson(const ProfileMerge& profile, const ProfileMerge::Frame& frame) {
  json::object object{{"kind", frame.kernel ? "kernel" : "user"}, {"label", profile.Label(frame)}};
  Add(object, "function", profile.text(frame.function));
  Add(object, "module", profile.text(frame.module));
  Add(object, "build_id", profile.text(frame.build_id));
  object["address"] = fmt::format("{:#x}", frame.address);
  object["offset"] = frame.offset;
  return object;
}

json::object SubjectJson(const ProfileMerge& profile, const ProfileMerge::Subject& subject) {
  json::object object{{"node", profile.text(subject.node)}, {"pid", subject.pid}};
  Add(object, "comm", profile.text(subject.comm));
  Add(object, "container_id", profile.text(subject.container_id));
  Add(object, "container_name", profile.text(subject.container_name));
  Add(object, "container_host_namespace", profile.text(subject.namespace_name));
  Add(object, "pod_name", profile.text(subject.pod_name));
  Add(object, "pod_uid", profile.text(subject.pod_uid));
  return object;
}

// Samples refer to frames (innermost first) and subjects by their index.
std::string JsonOf(const ProfileMerge& profile) {
  json::array values;
  for (const ProfileMerge::Value& value : profile.values()) {
    values.push_back(
        json::object{{"type", value.type}, {"unit", value.unit}, {"total", value.total}});
  }
  json::object losses;
  for (const auto& [cause, count] : profile.losses()) losses[cause] = count;
  json::array frames;
  for (const auto& frame : profile.frames()) frames.push_back(FrameJson(profile, frame));
  json::array subjects;
  for (const auto& subject : profile.subjects()) subjects.push_back(SubjectJson(profile, subject));
  json::array samples;
  for (const ProfileMerge::Sample& sample : profile.samples()) {
    samples.push_back(
        json::object{{"subject", sample.subject},
                     {"frames", json::array(sample.frames.begin(), sample.frames.end())},
                     {"values", json::array(sample.values.begin(), sample.values.end())}});
  }
  return json::serialize(json::object{
      {"profiles", profile.profiles()},
      {"time", Rfc3339(profile.begin_ns())},
      {"duration_seconds", static_cast<double>(profile.end_ns() - profile.begin_ns()) / 1e9},
      {"period_ns", profile.period_ns()},
      {"values", std::move(values)},
      {"losses", std::move(losses)},
      {"frames", std::move(frames)},
      {"subjects", std::move(subjects)},
      {"samples", std::move(samples)}});
}

struct Format {
  std::string_view name;
  std::string_view content_type;
  std::string_view file_name;
  std::string (*render)(const ProfileMerge&);
};

constexpr Format kFormats[] = {
    {"pprof", "application/vnd.google.protobuf+gzip", "profile.pb.gz", &PprofOf},
    {"folded", "text/plain; charset=utf-8", "profile.folded", &FoldedOf},
    {"flamegraph", "application/json", "profile.flamegraph.json", &FlamegraphOf},
    {"json", "application/json", "profile.json", &JsonOf},
};

}  // namespace

const std::vector<std::string>& ProfileFormats() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Format& format : kFormats) all.emplace_back(format.name);
    return all;
  }();
  return names;
}

absl::StatusOr<Rendered> RenderProfiles(std::span<const NodeProfile> profiles,
                                        std::string_view format) {
  ProfileMerge merge;
  for (const NodeProfile& each : profiles) RETURN_IF_ERROR(merge.Add(each.node, each.profile));
  return RenderMerged(merge, format);
}

absl::StatusOr<Rendered> RenderMerged(const ProfileMerge& profiles, std::string_view format) {
  for (const Format& known : kFormats) {
    if (known.name != format) continue;
    return Rendered{std::string(known.content_type), std::string(known.file_name),
                    known.render(profiles)};
  }
  return InvalidArgument(
      fmt::format("format: \"{}\": accepted are {}", format, fmt::join(ProfileFormats(), ", ")));
}

}  // namespace huatuo
