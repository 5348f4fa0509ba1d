// The nodes that the apiserver knows: what each said last, whether it is connected, and the way
// back to it.
//
// Ingest writes, the REST API reads and sends control messages. Thread-safe. The last known state
// of each node is kept in the FactStore, so that a restart forgets no node.
//
// Where several apiservers share a store, a node's stream is here, elsewhere or nowhere; of a node
// elsewhere the state is what its apiserver has kept, seconds old.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/store.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct NodeState {
  v1::Hello hello;
  v1::NodeStatus status;
  std::shared_ptr<const v1::Catalog> catalog;  // null: not known yet
  std::vector<v1::RefusedUnit> refused_units;
  bool connected = false;
  bool here = false;    // its stream is this process's
  std::string replica;  // the apiserver that has its stream; empty: there is only one, or none has
  uint64_t session = 0;
  int64_t connected_ns = 0;     // server's clock
  int64_t last_message_ns = 0;  // server's clock
  uint64_t high_water = 0;
  int64_t clock_skew_ns = 0;  // node's clock minus ours at Hello
  // Server-side accounting of this node.
  uint64_t events = 0;
  uint64_t rejected = 0;
  uint64_t missing = 0;           // sequences covered by gap records
  v1::ConfigureReply configured;  // the newest answer; version 0: to none
};

// What has become known of a node, for whoever has something to do with its instances.
struct NodeNews {
  enum class Kind {
    kConnected,  // and its catalog is known: it can be asked
    kDisconnected,
    kStatus,
    kReply,
  };
  Kind kind = Kind::kStatus;
  std::string node;
  std::vector<std::string> tasks = {};  // of kStatus: those that the node knows
  v1::InstanceReply reply = {};         // of kReply
};

class Nodes {
 public:
  Nodes(const Clock& clock, FactStore& facts);
  ~Nodes();

  // Loads what an earlier process knew.
  absl::Status Load();

  // Keeps what changed in the FactStore: at once who connected and what it can observe, a status or
  // counters at most once a minute, or once in 10 s when others want to know. Called about once a
  // second, and at the end.
  absl::Status Flush();

  std::vector<NodeState> List() const;  // by name
  std::optional<NodeState> Find(const std::string& node) const;
  // With a lock held: `see` must neither block nor use this object.
  void ForEach(const std::function<void(const NodeState&)>& see) const;

  // All catalogs in use, merged by unit name, newest version of each: what `/api/v1/units` shows.
  v1::Catalog Units() const;

  using Send = std::function<void(v1::ToNode)>;
  // A stream begins: returns its session number, which is larger than every earlier one, also than
  // those before a restart. `cancel` ends this stream when a newer one of the node begins.
  uint64_t Connect(const v1::Hello& hello, Send send, std::function<void()> cancel);
  void Disconnect(const std::string& node, uint64_t session);

  // Changes the state of `node` when `session` is its newest; returns whether it is.
  bool Update(const std::string& node, uint64_t session,
              const std::function<void(NodeState&)>& change);

  // The same whichever session is the newest; nothing when the node is not known.
  void Account(const std::string& node, const std::function<void(NodeState&)>& change);

  // What an apiserver needs of this object when it shares a store. Called without a lock held.
  struct Sharing {
    std::string name;  // this replica's
    // The facts of these nodes were written.
    std::function<void(const std::vector<std::string>& nodes)> kept;
    // An answer that nobody here has asked for.
    std::function<void(const v1::ParameterReply& reply)> stray;
  };
  // Before the first node connects; the functions must be callable as long as this object.
  void Share(Sharing sharing);
  enum class Place { kNowhere, kHere, kElsewhere };
  Place Where(const std::string& node) const;
  // Another replica has the stream of `node` now, and takes messages to it; `replica` empty: nobody
  // has. Reads its fact anew with `reread`. Nothing when its stream is here.
  absl::Status Learn(const std::string& node, const std::string& replica, Send send, bool reread);
  // Ends the streams of these nodes here; all: of every one.
  void Fence(const std::vector<std::string>& nodes);
  void FenceAll();

  // False when the node is not connected; else the message is on its way, which proves nothing.
  bool Tell(const std::string& node, const v1::ToNode& message);

  // News of all nodes go to `listener` on the threads that bring them, one node's in order; it must
  // not block. An empty function of the same owner ends that: it is not running then.
  using Listener = std::function<void(const NodeNews&)>;
  void Listen(const void* owner, Listener listener);
  // Ingest hands in what it has heard.
  void Announce(const NodeNews& news);

  // Sends and waits for the node's answer; request_id is chosen here. NotFound: no such node;
  // Unavailable: not connected, or no answer in `timeout`.
  absl::StatusOr<v1::ParameterReply> SetParameters(const std::string& node,
                                                   v1::SetParameters request,
                                                   std::chrono::milliseconds timeout);
  // Ingest hands in what the node answered.
  void OnReply(const v1::ParameterReply& reply);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
