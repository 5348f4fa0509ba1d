// Several profiles as one, with its own tables.
//
// The same stack of the same process and node is one sample, whose values are the sums. Not
// thread-safe. The profiles must be sound (ingest/profile_check.h); what was stored is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class ProfileMerge {
 public:
  struct Frame {
    bool kernel = false;
    uint32_t function = 0;  // indexes of texts; 0: unknown
    uint32_t module = 0;
    uint32_t build_id = 0;
    uint64_t address = 0;
    uint64_t offset = 0;
    friend auto operator<=>(const Frame&, const Frame&) = default;
  };
  struct Subject {
    uint32_t node = 0;  // indexes of texts
    uint32_t comm = 0;
    uint32_t container_id = 0;
    uint32_t container_name = 0;
    uint32_t namespace_name = 0;
    uint32_t pod_name = 0;
    uint32_t pod_uid = 0;
    uint32_t pid = 0;
    friend auto operator<=>(const Subject&, const Subject&) = default;
  };
  struct Sample {
    uint32_t subject = 0;
    std::vector<uint32_t> frames;  // innermost first
    std::vector<uint64_t> values;
  };
  struct Value {
    std::string type;
    std::string unit;
    uint64_t total = 0;
    friend bool operator==(const Value&, const Value&) = default;
  };

  // InvalidArgument when the values of `profile` do not mean the same as those before.
  absl::Status Add(std::string_view node, const v1::Profile& profile);

  uint64_t profiles() const { return profiles_; }
  // From the earliest beginning to the latest end.
  int64_t begin_ns() const { return begin_ns_; }
  int64_t end_ns() const { return end_ns_; }
  uint64_t period_ns() const { return period_ns_; }  // 0: not all the same
  const std::vector<Value>& values() const { return values_; }
  const std::map<std::string, uint64_t>& losses() const { return losses_; }
  const std::vector<Frame>& frames() const { return frames_; }
  const std::vector<Subject>& subjects() const { return subjects_; }
  const std::vector<Sample>& samples() const { return samples_; }  // as they came first
  const std::string& text(uint32_t index) const { return *texts_[index]; }

  // What people call a frame: its function, else "lib.so+0x12", else its address.
  std::string Label(const Frame& frame) const;

 private:
  absl::Status AddValues(const v1::Profile& profile);
  void AddSpan(const v1::Profile& profile);
  uint32_t Text(std::string_view text);
  uint32_t AddFrame(const Frame& frame);
  uint32_t AddSubject(const Subject& subject);
  std::vector<uint32_t> AddFrames(const v1::Profile& profile);
  std::vector<uint32_t> AddSubjects(std::string_view node, const v1::Profile& profile);
  Sample& Find(uint32_t subject, std::vector<uint32_t> frames);

  uint64_t profiles_ = 0;
  int64_t begin_ns_ = 0;
  int64_t end_ns_ = 0;
  uint64_t period_ns_ = 0;
  std::vector<Value> values_;
  std::map<std::string, uint64_t> losses_;
  std::vector<const std::string*> texts_;  // keys of text_places_
  std::map<std::string, uint32_t, std::less<>> text_places_;
  std::vector<Frame> frames_;
  std::map<Frame, uint32_t> frame_places_;
  std::vector<Subject> subjects_;
  std::map<Subject, uint32_t> subject_places_;
  std::vector<Sample> samples_;
  absl::flat_hash_map<std::pair<uint32_t, std::vector<uint32_t>>, size_t> sample_places_;
};

}  // namespace huatuo
