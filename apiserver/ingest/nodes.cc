#include "apiserver/ingest/nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "apiserver/ingest/catalogs.h"
#include "apiserver/ingest/node_fact.h"
#include "common/document.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string_view kKind = "node";
constexpr int64_t kKeepEveryNs = 60'000'000'000;
constexpr int64_t kShareEveryNs = 10'000'000'000;

}  // namespace

struct Nodes::State {
  struct Entry {
    NodeState state;
    Send send;
    std::function<void()> cancel;
    bool changed = false;  // something that must outlive a restart now
    bool touched = false;  // something that may be a minute old
    bool fenced = false;   // its stream here was ended for one elsewhere
    int64_t kept_ns = 0;   // boot clock
  };

  State(const Clock& the_clock, FactStore& the_facts)
      : clock(the_clock), facts(the_facts), catalogs(the_facts) {}

  std::vector<std::pair<std::string, std::string>> TakeDue();
  absl::StatusOr<std::optional<NodeState>> Kept(const std::string& node);

  const Clock& clock;
  FactStore& facts;
  Catalogs catalogs;  // only to find them again at Load
  Sharing sharing;
  int64_t keep_every_ns = kKeepEveryNs;
  mutable std::mutex mutex;
  std::condition_variable answered;
  std::map<std::string, Entry> nodes;
  uint64_t last_session = 0;
  std::set<std::string> awaited;
  std::map<std::string, v1::ParameterReply> replies;
  std::mutex listener_mutex;  // taken with no other held
  std::map<const void*, Listener> listeners;
};

Nodes::Nodes(const Clock& clock, FactStore& facts)
    : state_(std::make_unique<State>(clock, facts)) {}

Nodes::~Nodes() = default;

absl::Status Nodes::Load() {
  ASSIGN_OR_RETURN(const auto kept, state_->facts.Facts(kKind));
  for (const auto& [name, text] : kept) {
    ASSIGN_OR_RETURN(NodeState node, ParseNodeFact(text));
    ASSIGN_OR_RETURN(node.catalog, state_->catalogs.Find(node.hello.catalog_sha256()));
    const std::lock_guard lock(state_->mutex);
    state_->last_session = std::max(state_->last_session, node.session);
    state_->nodes[name].state = std::move(node);
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> Nodes::State::TakeDue() {
  std::vector<std::pair<std::string, std::string>> due;
  const int64_t now_ns = clock.BootNs();
  const std::lock_guard lock(mutex);
  for (auto& [name, entry] : nodes) {
    const bool old = entry.touched && now_ns - entry.kept_ns >= keep_every_ns;
    if (!entry.changed && !old) continue;
    // Whoever has its stream knows more.
    if (entry.state.connected && !entry.state.here) continue;
    due.emplace_back(name, NodeFact(entry.state));
    entry.changed = entry.touched = false;
    entry.kept_ns = now_ns;
  }
  return due;
}

absl::Status Nodes::Flush() {
  absl::Status result;
  std::vector<std::string> kept;
  for (const auto& [name, text] : state_->TakeDue()) {
    const absl::Status status = state_->facts.Put(kKind, name, text);
    if (status.ok()) {
      kept.push_back(name);
      continue;
    }
    const std::lock_guard lock(state_->mutex);
    state_->nodes[name].changed = true;
    result = status;
  }
  if (state_->sharing.kept && !kept.empty()) state_->sharing.kept(kept);
  return result;
}

void Nodes::Share(Sharing sharing) {
  state_->sharing = std::move(sharing);
  state_->keep_every_ns = kShareEveryNs;
}

Nodes::Place Nodes::Where(const std::string& node) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(node);
  if (found == state_->nodes.end() || !found->second.state.connected) return Place::kNowhere;
  return found->second.state.here ? Place::kHere : Place::kElsewhere;
}

absl::StatusOr<std::optional<NodeState>> Nodes::State::Kept(const std::string& node) {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, facts.Fact(kKind, node));
  if (!text) return std::nullopt;
  ASSIGN_OR_RETURN(NodeState kept, ParseNodeFact(*text));
  ASSIGN_OR_RETURN(kept.catalog, catalogs.Find(kept.hello.catalog_sha256()));
  return kept;
}

absl::Status Nodes::Learn(const std::string& node, const std::string& replica, Send send,
                          bool reread) {
  std::optional<NodeState> kept;
  if (reread) {
    ASSIGN_OR_RETURN(kept, state_->Kept(node));
  }
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(node);
  const bool known = found != state_->nodes.end();
  if (!known && !kept) return absl::OkStatus();
  if (known && found->second.state.here) return absl::OkStatus();
  State::Entry& entry = state_->nodes[node];
  if (kept) entry.state = *std::move(kept);
  entry.state.connected = !replica.empty();
  entry.state.replica = replica;
  entry.send = std::move(send);
  entry.changed = entry.touched = false;
  state_->last_session = std::max(state_->last_session, entry.state.session);
  state_->answered.notify_all();
  return absl::OkStatus();
}

void Nodes::Fence(const std::vector<std::string>& nodes) {
  for (const std::string& node : nodes) {
    std::function<void()> cancel;
    {
      const std::lock_guard lock(state_->mutex);
      const auto found = state_->nodes.find(node);
      if (found != state_->nodes.end()) {
        found->second.fenced = true;
        cancel = std::exchange(found->second.cancel, nullptr);
      }
    }
    if (cancel) cancel();
  }
}

void Nodes::FenceAll() {
  std::vector<std::string> nodes;
  ForEach([&nodes](const NodeState& node) {
    if (node.here) nodes.push_back(node.hello.node());
  });
  Fence(nodes);
}

std::vector<NodeState> Nodes::List() const {
  std::vector<NodeState> list;
  const std::lock_guard lock(state_->mutex);
  list.reserve(state_->nodes.size());
  for (const auto& [name, entry] : state_->nodes) list.push_back(entry.state);
  return list;
}

std::optional<NodeState> Nodes::Find(const std::string& node) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(node);
  if (found == state_->nodes.end()) return std::nullopt;
  return found->second.state;
}

void Nodes::ForEach(const std::function<void(const NodeState&)>& see) const {
  const std::lock_guard lock(state_->mutex);
  for (const auto& [name, entry] : state_->nodes) see(entry.state);
}

v1::Catalog Nodes::Units() const {
  std::vector<std::pair<int64_t, std::shared_ptr<const v1::Catalog>>> catalogs;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [name, entry] : state_->nodes) {
      if (entry.state.catalog) {
        catalogs.emplace_back(entry.state.connected_ns, entry.state.catalog);
      }
    }
  }
  std::stable_sort(catalogs.begin(), catalogs.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::map<std::string, const v1::Unit*> newest;
  for (const auto& [connected_ns, catalog] : catalogs) {
    for (const v1::Unit& unit : catalog->units()) newest[unit.name()] = &unit;
  }
  v1::Catalog merged;
  for (const auto& [name, unit] : newest) *merged.add_units() = *unit;
  return merged;
}

uint64_t Nodes::Connect(const v1::Hello& hello, Send send, std::function<void()> cancel) {
  const int64_t now_ns = state_->clock.WallNs();
  std::function<void()> cancel_older;
  uint64_t session = 0;
  {
    const std::lock_guard lock(state_->mutex);
    // Microseconds since 1970, unless more streams than that began: also larger than the sessions
    // of a process that ended before it could keep the newest.
    session = std::max(state_->last_session + 1,
                       static_cast<uint64_t>(std::max<int64_t>(now_ns, 0)) / 1000);
    state_->last_session = session;
    State::Entry& entry = state_->nodes[hello.node()];
    cancel_older = std::exchange(entry.cancel, std::move(cancel));
    entry.send = std::move(send);
    if (entry.state.hello.epoch() != hello.epoch()) entry.state.high_water = 0;
    entry.state.hello = hello;
    entry.state.connected = entry.state.here = true;
    entry.state.replica = state_->sharing.name;
    entry.state.session = session;
    entry.state.connected_ns = entry.state.last_message_ns = now_ns;
    entry.state.clock_skew_ns = hello.time_ns() - now_ns;
    entry.changed = true;
    entry.fenced = false;
    state_->answered.notify_all();
  }
  if (cancel_older) cancel_older();
  return session;
}

void Nodes::Disconnect(const std::string& node, uint64_t session) {
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->nodes.find(node);
    if (found == state_->nodes.end() || found->second.state.session != session) return;
    found->second.state.connected = found->second.state.here = false;
    found->second.state.replica.clear();
    found->second.send = nullptr;
    found->second.cancel = nullptr;
    // What another replica keeps of it by now is newer.
    found->second.changed = !found->second.fenced;
    found->second.touched = false;
    // Whoever waits for an answer of this node learns that none will come.
    state_->answered.notify_all();
  }
  Announce({.kind = NodeNews::Kind::kDisconnected, .node = node});
}

bool Nodes::Tell(const std::string& node, const v1::ToNode& message) {
  Send send;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->nodes.find(node);
    if (found == state_->nodes.end() || !found->second.send) return false;
    send = found->second.send;
  }
  send(message);
  return true;
}

void Nodes::Listen(const void* owner, Listener listener) {
  const std::lock_guard lock(state_->listener_mutex);
  if (listener) {
    state_->listeners[owner] = std::move(listener);
  } else {
    state_->listeners.erase(owner);
  }
}

void Nodes::Announce(const NodeNews& news) {
  const std::lock_guard lock(state_->listener_mutex);
  for (const auto& [owner, listener] : state_->listeners) listener(news);
}

bool Nodes::Update(const std::string& node, uint64_t session,
                   const std::function<void(NodeState&)>& change) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(node);
  if (found == state_->nodes.end() || found->second.state.session != session) return false;
  NodeState& state = found->second.state;
  const auto catalog = state.catalog;
  change(state);
  found->second.touched = true;
  if (state.catalog != catalog) found->second.changed = true;
  return true;
}

void Nodes::Account(const std::string& node, const std::function<void(NodeState&)>& change) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(node);
  if (found == state_->nodes.end()) return;
  change(found->second.state);
  found->second.touched = true;
}

absl::StatusOr<v1::ParameterReply> Nodes::SetParameters(const std::string& node,
                                                        v1::SetParameters request,
                                                        std::chrono::milliseconds timeout) {
  const std::string id = Hex(RandomId());
  request.set_request_id(id);
  std::unique_lock lock(state_->mutex);
  const auto found = state_->nodes.find(node);
  if (found == state_->nodes.end()) return NotFound(fmt::format("node {}: not known", node));
  if (!found->second.send) return Unavailable(fmt::format("node {}: not connected", node));
  const Send send = found->second.send;
  const uint64_t session = found->second.state.session;
  state_->awaited.insert(id);
  lock.unlock();
  v1::ToNode message;
  *message.mutable_set_parameters() = std::move(request);
  send(std::move(message));
  lock.lock();
  const State::Entry& entry = found->second;  // nodes are never erased
  state_->answered.wait_for(lock, timeout, [&] {
    return state_->replies.count(id) != 0 || !entry.send || entry.state.session != session;
  });
  state_->awaited.erase(id);
  auto reply = state_->replies.extract(id);
  if (reply.empty()) return Unavailable(fmt::format("node {}: no answer", node));
  return std::move(reply.mapped());
}

void Nodes::OnReply(const v1::ParameterReply& reply) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->awaited.count(reply.request_id()) != 0) {
      state_->replies[reply.request_id()] = reply;
      state_->answered.notify_all();
      return;
    }
  }
  // An answer that nobody waits for any more is dropped; who asked was told so.
  if (state_->sharing.stray) state_->sharing.stray(reply);
}

}  // namespace huatuo
