// The exchange of the rpc Profiles: Hello, Welcome, then one entry after the other, each acked once
// it is stored.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "apiserver/ingest/exchange.h"
#include "apiserver/ingest/ingest_metrics.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/ingest/profile_metrics.h"
#include "apiserver/ingest/profile_writer.h"
#include "apiserver/ingest/sequences.h"
#include "apiserver/pods/pod_index.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Which stream of profiles is the newest of each node. Thread-safe.
class ProfileFence {
 public:
  // Ends the older stream of the node by its `cancel`; returns the number of the new one.
  uint64_t Enter(const std::string& node, std::function<void()> cancel);
  void Leave(const std::string& node, uint64_t number);

 private:
  std::mutex mutex_;
  uint64_t last_ = 0;
  std::map<std::string, std::pair<uint64_t, std::function<void()>>> newest_;
};

// What all sessions share. Each must outlive them.
struct ProfileShared {
  const Clock& clock;
  ProfileAppender& appender;
  Nodes& nodes;
  ProfileWriter& writer;
  ProfileFence& fence;
  ProfileMetrics& metrics;
  IngestMetrics& streams;          // counts those that are refused
  const PodIndex* pods = nullptr;  // null: there is no cluster
};

using ProfileWire = WireOf<v1::ProfilesToNode>;

class ProfileSession : public Exchange, public std::enable_shared_from_this<ProfileSession> {
 public:
  static std::shared_ptr<ProfileSession> Start(const ProfileShared& shared, ProfileWire wire);
  ~ProfileSession() override;
  ProfileSession(const ProfileSession&) = delete;
  ProfileSession& operator=(const ProfileSession&) = delete;

  absl::StatusOr<Next> Receive(std::string_view bytes) override;

 private:
  ProfileSession(const ProfileShared& shared, ProfileWire wire);

  // What is received may be taken apart.
  absl::StatusOr<Next> Dispatch(v1::ProfilesFromNode& message);
  absl::Status OnHello(const v1::ProfilesHello& hello);
  absl::StatusOr<Next> OnEntry(v1::ProfileEntry& entry);
  absl::Status Take(v1::ProfileEntry& entry, ProfileCommit& commit);
  void AddProfile(uint64_t sequence, v1::Profile& profile, ProfileCommit& commit) const;
  void AddGap(ProfileGap gap, ProfileCommit& commit) const;
  Next Submit(ProfileCommit commit);
  void OnStored(uint64_t high_water);

  const ProfileShared shared_;
  const ProfileWire wire_;
  v1::ProfilesHello hello_;
  uint64_t number_ = 0;  // of this stream; 0: before Hello
  std::optional<Sequences> sequences_;
  std::atomic<bool> fenced_ = false;
};

}  // namespace huatuo
