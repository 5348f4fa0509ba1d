// The pods of the cluster, found by what a node knows: container id and pod uid.
//
// A pod that was deleted, and a container id that a restart replaced, are found for 10 more
// minutes, because their last events arrive after their end; beyond a bound the oldest go first and
// are counted.
//
// Thread-safe. A lookup takes a shared lock and at most two hash lookups; what it returns stays
// valid, and as it was, for as long as it is held. One thread writes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "apiserver/pods/pod.h"
#include "common/clock.h"

namespace huatuo {

struct PodIndexOptions {
  int64_t tombstone_ns = 600'000'000'000;
  size_t max_tombstones = 65'536;  // names; a pod has about three
};

class PodIndex {
 public:
  struct Found {
    std::shared_ptr<const Pod> pod;           // null: nobody knows it
    const PodContainer* container = nullptr;  // null: the pod as a whole, or its sandbox
  };

  explicit PodIndex(const Clock& clock, PodIndexOptions options = {})
      : clock_(clock), options_(options) {}

  // By container id, else by the uid or, for static pods, the hash that the node has as uid. Either
  // may be empty.
  Found Find(std::string_view container_id, std::string_view pod_uid) const;

  // A pod that was added or has changed. One that has the version it had is left alone.
  void Set(Pod pod);
  void Delete(const std::string& uid);

  // A list of all pods: what was not Set since BeginList is deleted by EndList.
  void BeginList() { ++round_; }
  void EndList();

  // Grows whenever Find may find something else.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  struct Counts {
    uint64_t pods = 0;
    uint64_t containers = 0;  // ids of those pods
    uint64_t tombstones = 0;  // names that are found although their pod or container is gone
    uint64_t evicted = 0;     // tombstones given up early, since the start
  };
  Counts counts() const;

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <typename Value>
  using ByText = absl::flat_hash_map<std::string, Value, TextHash, std::equal_to<>>;

  // What a uid, a hash or a container id stands for.
  struct Meaning {
    std::shared_ptr<const Pod> pod;
    int32_t container = -1;  // -1: the pod
    int64_t gone_ns = 0;     // 0: it is there
  };
  struct Live {
    std::shared_ptr<const Pod> pod;
    uint64_t round = 0;
  };
  struct Tombstone {
    std::string name;
    int64_t gone_ns = 0;
  };

  void Name(const std::shared_ptr<const Pod>& pod);
  void Bury(const std::shared_ptr<const Pod>& pod);
  void BuryName(const std::string& name, const Pod* pod, int64_t now_ns);
  void Expire(int64_t now_ns);
  void Changed() { generation_.fetch_add(1, std::memory_order_release); }

  const Clock& clock_;
  const PodIndexOptions options_;
  std::atomic<uint64_t> generation_ = 0;
  uint64_t round_ = 0;  // of the thread that writes

  mutable std::shared_mutex mutex_;
  ByText<Live> pods_;                 // by uid
  ByText<Meaning> names_;             // all of pods_, and the tombstones
  std::deque<Tombstone> tombstones_;  // oldest first; stale where the name lives again
  uint64_t containers_ = 0;
  uint64_t buried_ = 0;
  uint64_t evicted_ = 0;
};

}  // namespace huatuo
