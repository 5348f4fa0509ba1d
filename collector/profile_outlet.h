// Where the units' profiles leave the collector.
#pragma once

#include "collector/decode/recording.h"
#include "collector/instance.h"
#include "collector/ship/profile_stream.h"

namespace huatuo {

// Thread-safe. `stream` and `recording`, which may be null, must outlive it.
class ProfileOutlet : public ProfileSink {
 public:
  ProfileOutlet(ProfileStream& stream, RecordingWriter* recording)
      : stream_(stream), recording_(recording) {}

  void Take(const OpenRequest& from, v1::Profile profile) override {
    profile.clear_profile_id();
    profile.set_unit(std::string(from.unit->name));
    profile.set_task_id(from.task_id);
    if (recording_ != nullptr) recording_->Profile(profile);
    stream_.Push(std::move(profile));
  }

 private:
  ProfileStream& stream_;
  RecordingWriter* const recording_;
};

}  // namespace huatuo
