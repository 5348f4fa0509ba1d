// What ingest says about itself, as huatuo_apiserver_… series.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace prometheus {
class Registry;
}

namespace huatuo {

class IngestMetrics {
 public:
  // `registry` must outlive this object.
  explicit IngestMetrics(prometheus::Registry& registry);
  ~IngestMetrics();

  void StreamOpened();
  void StreamClosed();
  // A stream that the server ended. `cause` is one of a few fixed words: "malformed", "fenced", ...
  void StreamRefused(std::string_view cause);
  // `kind` is the field of v1::FromNode that was set.
  void Message(std::string_view kind, size_t bytes);
  // `outcome`: "stored", "rejected", "duplicate", "silenced", "gap" (sequences that a gap record
  // covers).
  void Events(std::string_view outcome, uint64_t count);
  void Commit(double seconds, bool ok);
  // The way of what a node sends: kApply, a message of metrics from its bytes to the table; kRead,
  // a message of entries from its bytes to the queue; kQueue, from there to the commit that stores
  // it; kStore, until it is in the store.
  enum class Stage { kApply, kRead, kQueue, kStore };
  void Passed(Stage stage, int64_t ns);
  void Queue(size_t commits, size_t bytes);
  void SlowDown();
  // Whether the states of the nodes could be kept.
  void NodesKept(bool ok);
  void Series(uint64_t present, uint64_t samples, uint64_t refused, uint64_t conflicting,
              uint64_t duplicates, uint64_t muted);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
