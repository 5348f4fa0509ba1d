#include "apiserver/query/profile_pprof.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "apiserver/query/gzip.h"
#include "pprof/profile.pb.h"

namespace huatuo {
namespace {

namespace pprof = perftools::profiles;

constexpr std::string_view kKernel = "[kernel.kallsyms]";

int64_t Clamp(uint64_t value) {
  return static_cast<int64_t>(std::min<uint64_t>(value, std::numeric_limits<int64_t>::max()));
}

class PprofWriter {
 public:
  explicit PprofWriter(const ProfileMerge& from) : from_(from) { Text(""); }

  std::string Write() {
    Header();
    for (size_t i = 0; i < from_.frames().size(); ++i) AddLocation(i);
    for (const ProfileMerge::Sample& sample : from_.samples()) AddSample(sample);
    return Gzip(out_.SerializeAsString());
  }

 private:
  void Header() {
    for (const ProfileMerge::Value& value : from_.values()) {
      SetType(value, *out_.add_sample_type());
    }
    out_.set_time_nanos(from_.begin_ns());
    out_.set_duration_nanos(from_.end_ns() - from_.begin_ns());
    for (const auto& [cause, count] : from_.losses()) {
      out_.add_comment(Text(fmt::format("lost {}: {}", cause, count)));
    }
    if (from_.values().empty()) return;
    out_.set_default_sample_type(Text(from_.values().back().type));
    if (from_.period_ns() == 0) return;
    SetType({"cpu", "nanoseconds"}, *out_.mutable_period_type());
    out_.set_period(Clamp(from_.period_ns()));
  }

  void SetType(const ProfileMerge::Value& value, pprof::ValueType& type) {
    type.set_type(Text(value.type));
    type.set_unit(Text(value.unit));
  }

  int64_t Text(std::string_view text) {
    const auto [place, is_new] = texts_.try_emplace(std::string(text), out_.string_table_size());
    if (is_new) out_.add_string_table(place->first);
    return place->second;
  }

  // Ids of locations are the indexes of frames plus 1.
  void AddLocation(size_t index) {
    const ProfileMerge::Frame& frame = from_.frames()[index];
    pprof::Location& location = *out_.add_location();
    location.set_id(index + 1);
    location.set_mapping_id(MappingOf(frame));
    location.set_address(frame.address);
    location.add_line()->set_function_id(FunctionOf(from_.Label(frame)));
  }

  uint64_t FunctionOf(const std::string& label) {
    const auto [place, is_new] = functions_.try_emplace(label, functions_.size() + 1);
    if (is_new) {
      pprof::Function& function = *out_.add_function();
      function.set_id(place->second);
      function.set_name(Text(label));
      function.set_system_name(Text(label));
    }
    return place->second;
  }

  // 0 when nobody knows where the frame lies.
  uint64_t MappingOf(const ProfileMerge::Frame& frame) {
    const std::string& module = from_.text(frame.module);
    if (module.empty() && !frame.kernel) return 0;
    const auto [place, is_new] = mappings_.try_emplace(
        std::pair(frame.kernel, std::pair(frame.module, frame.build_id)), mappings_.size() + 1);
    if (is_new) {
      pprof::Mapping& mapping = *out_.add_mapping();
      mapping.set_id(place->second);
      mapping.set_filename(Text(module.empty() ? kKernel : std::string_view(module)));
      mapping.set_build_id(Text(from_.text(frame.build_id)));
      // Readers look for no symbols by themselves: what is known is there.
      mapping.set_has_functions(true);
    }
    pprof::Mapping& mapping = *out_.mutable_mapping(static_cast<int>(place->second - 1));
    const uint64_t limit = frame.address + (frame.address + 1 == 0 ? 0 : 1);
    mapping.set_memory_limit(std::max(mapping.memory_limit(), limit));
    return place->second;
  }

  void AddSample(const ProfileMerge::Sample& sample) {
    pprof::Sample& added = *out_.add_sample();
    for (const uint32_t frame : sample.frames) added.add_location_id(frame + 1);
    for (const uint64_t value : sample.values) added.add_value(Clamp(value));
    const ProfileMerge::Subject& subject = from_.subjects()[sample.subject];
    const uint32_t container =
        subject.container_name != 0 ? subject.container_name : subject.container_id;
    AddLabel("node", subject.node, added);
    AddLabel("comm", subject.comm, added);
    AddLabel("container", container, added);
    AddLabel("container_id", subject.container_id, added);
    AddLabel("namespace", subject.namespace_name, added);
    AddLabel("pod", subject.pod_name != 0 ? subject.pod_name : subject.pod_uid, added);
    if (subject.pid == 0) return;
    pprof::Label& pid = *added.add_label();
    pid.set_key(Text("pid"));
    pid.set_num(subject.pid);
  }

  void AddLabel(std::string_view key, uint32_t text, pprof::Sample& sample) {
    if (text == 0) return;
    pprof::Label& label = *sample.add_label();
    label.set_key(Text(key));
    label.set_str(Text(from_.text(text)));
  }

  const ProfileMerge& from_;
  pprof::Profile out_;
  std::map<std::string, int64_t> texts_;
  std::map<std::string, uint64_t> functions_;
  std::map<std::pair<bool, std::pair<uint32_t, uint32_t>>, uint64_t> mappings_;
};

}  // namespace

std::string PprofOf(const ProfileMerge& profile) { return PprofWriter(profile).Write(); }

}  // namespace huatuo
