// One simulated node: the node's end of the protocol, over the link that real collectors use.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "collector/ship/link.h"
#include "huatuo/v1/huatuo.pb.h"
#include "test/fleet/load.h"
#include "test/fleet/tally.h"

namespace huatuo {

// How a node behaves.
enum class Manner {
  kGood,
  kSilent,     // says hello, and nothing more
  kDeaf,       // reads nothing after the welcome, and goes on sending
  kBackwards,  // its second batch begins before the first
  kHuge,       // sends a message that is larger than any may be
  kFlood,      // sends events as fast as they go, whatever the server asks for
};
constexpr std::string_view kMannerNames[] = {"good",      "silent", "deaf",
                                             "backwards", "huge",   "flood"};

using Steady = std::chrono::steady_clock;

struct NodePlan {
  std::string name;
  Manner manner = Manner::kGood;
  std::string target;
  Steady::duration metrics_interval{};
  Steady::duration event_interval{};  // zero: no events
  uint64_t events_at_once = 1;
};

// The newest round of metrics, shared by all nodes.
using SharedRound = std::shared_ptr<const std::vector<std::string>>;

// All but what the link calls runs on one thread.
class FleetNode : private LinkListener {
 public:
  // `wake` may be called from any thread: Step is then due. All must outlive the node.
  FleetNode(NodePlan plan, const Load& load, Tally& tally, std::function<void()> wake);
  ~FleetNode() override;

  // Does what is due; returns when it is to be called again unless it is woken. No new stream is
  // opened before `connect_at`.
  Steady::time_point Step(Steady::time_point now, const SharedRound& round);

  // Ends the stream as a crash of the node would; the next one begins at `connect_at`.
  void Drop(Steady::time_point connect_at);
  // Makes no more events; what is made goes on to be delivered.
  void Quiet() { quiet_ = true; }

  const NodePlan& plan() const { return plan_; }
  bool AllAcked() const { return waiting_.empty(); }
  uint64_t made() const { return next_sequence_ - 1; }
  uint64_t acked() const { return made() - waiting_.size(); }

 private:
  struct Waiting {
    uint64_t sequence;
    Steady::time_point sent;  // the first time
  };

  void OnMessage(std::string message) override;
  void OnWritten() override;
  void OnEnded() override;

  void Open(Steady::time_point now);
  void Close(Steady::time_point now);
  void Take(const std::string& bytes, Steady::time_point now);
  void Welcomed(const v1::Welcome& welcome);
  void Acked(uint64_t sequence, Steady::time_point now);
  void Misbehave();
  void SendEvents(uint64_t first, uint64_t last);
  void SendDue(Steady::time_point now, const SharedRound& round);
  void Push(std::string bytes) { outgoing_.push_back(std::move(bytes)); }
  void Write();

  const NodePlan plan_;
  const Load& load_;
  Tally& tally_;
  const std::function<void()> wake_;
  const std::string epoch_;

  std::unique_ptr<Link> link_;
  bool welcomed_ = false;
  bool ready_ = false;  // the server has answered to the catalog
  bool announced_ = false;
  bool quiet_ = false;
  uint64_t next_sequence_ = 1;
  std::deque<Waiting> waiting_;  // made and not acked
  std::deque<std::string> outgoing_;
  Steady::time_point connect_at_{};
  Steady::time_point round_at_{};
  Steady::time_point event_at_{};

  std::mutex mutex_;  // of what the link tells
  std::deque<std::string> incoming_;
  bool free_ = false;
  bool ended_ = false;
};

}  // namespace huatuo
