#include "apiserver/replica/replicas.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "apiserver/replica/replica_metrics.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause(300);
// Of requests of others whose nodes have not answered.
constexpr size_t kMaxAsked = 10'000;

// The same for a collector that connects again, another for one of the same name. A spool that was
// copied with its machine runs on another boot.
std::string IdentityOf(const v1::Hello& hello, const std::string& collector) {
  return collector + " " + hello.boot_id() + " " + hello.hostname();
}

// What the listener has heard since the last round.
struct Heard {
  bool event = true;
  bool task = true;
  bool claim = true;
  bool mail = true;
};

}  // namespace

struct Replicas::State {
  State(const ReplicaOptions& the_options, const ReplicaSources& the_sources)
      : options(the_options),
        sources(the_sources),
        table(the_options.postgres, the_options.lease),
        metrics(the_sources.registry),
        wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~State() { close(wake); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void Run(const std::stop_token& stop);
  absl::Status Round();
  absl::Status Renew();
  absl::Status Look();
  absl::Status ReadPeers();
  absl::Status ReadClaims();
  absl::Status ReadMail();
  absl::Status SendReleases();
  absl::Status ComeBack();
  absl::Status TellAddresses();
  absl::Status Learn(const ClaimRow& claim, const std::string& holder);
  void FenceLost(const std::vector<ClaimRow>& claims);
  void GiveUp();
  void Deliver(const MailRow& mail);
  void Post(const MailRow& mail);
  void OnStray(const v1::ParameterReply& reply);
  void Wake() const;
  Nodes::Send SenderTo(int64_t replica, const std::string& node);

  const ReplicaOptions options;
  const ReplicaSources sources;
  PostgresReplicas table;
  ReplicaMetrics metrics;
  const int wake;
  std::atomic<int64_t> id = 0;

  mutable std::mutex mutex;
  std::map<std::string, uint64_t> held;  // node → number of the claim
  std::vector<std::pair<std::string, uint64_t>> released;
  std::vector<ReplicaRow> alive;
  std::string http;
  std::string grpc;
  std::map<std::string, int64_t> asked;  // request → the replica that waits for the answer
  Steady::time_point renewed = Steady::now();

  // Of the thread.
  std::unique_ptr<PgSession> session;
  Heard heard;
  uint64_t position = 0;
  Steady::time_point next_look = Steady::now();
  Steady::time_point steady_since = Steady::now();  // renewed in time from here on
  bool failing = false;
  bool given_up = false;
  std::map<std::string, ClaimRow> seen;
  std::jthread thread;
};

void Replicas::State::Wake() const {
  const uint64_t one = 1;
  if (write(wake, &one, sizeof(one)) < 0) return;  // it is awake already
}

void Replicas::State::Run(const std::stop_token& stop) {
  NameThread("replicas");
  while (!stop.stop_requested()) {
    const absl::Status status = Round();
    if (status.ok()) {
      if (std::exchange(failing, false)) LogInfo("replicas: the others are in sight again");
      continue;
    }
    metrics.failures.Increment();
    if (!std::exchange(failing, true)) LogWarning("replicas: " + Message(status));
    session.reset();
    GiveUp();
    std::this_thread::sleep_for(kPause);
  }
}

// One wait and what it brought.
absl::Status Replicas::State::Round() {
  if (session == nullptr) {
    ASSIGN_OR_RETURN(session, table.Listen([this](const std::string& kind) {
      heard.event = heard.event || kind == "event";
      heard.task = heard.task || kind == "task";
      heard.claim = heard.claim || kind == "claim";
      heard.mail = heard.mail || kind == "mail";
    }));
    heard = {};
    steady_since = next_look = Steady::now();
  }
  if (Steady::now() >= next_look) {
    next_look = Steady::now() + options.look;
    RETURN_IF_ERROR(Renew());
    heard.task = heard.claim = heard.mail = true;
    sources.look();
  }
  RETURN_IF_ERROR(Look());
  const auto wait =
      std::chrono::duration_cast<std::chrono::milliseconds>(next_look - Steady::now());
  RETURN_IF_ERROR(session->Await(std::max(wait, std::chrono::milliseconds(1)), wake));
  uint64_t count = 0;
  if (read(wake, &count, sizeof(count)) < 0) count = 0;
  return absl::OkStatus();
}

absl::Status Replicas::State::Renew() {
  const Steady::time_point now = Steady::now();
  ASSIGN_OR_RETURN(const PostgresReplicas::Renewal renewal, table.Renew(*session, id));
  if (!renewal.alive || given_up) RETURN_IF_ERROR(ComeBack());
  {
    const std::lock_guard lock(mutex);
    renewed = now;
  }
  if (renewal.position != position) heard.event = true;
  position = std::max(position, renewal.position);
  RETURN_IF_ERROR(ReadPeers());
  // Others had the chance to renew theirs for as long.
  if (now - steady_since > 2 * options.lease) RETURN_IF_ERROR(table.Reap(*session));
  return absl::OkStatus();
}

absl::Status Replicas::State::Look() {
  const Heard now = std::exchange(heard, {false, false, false, false});
  RETURN_IF_ERROR(SendReleases());
  if (now.event) sources.events.Notify();
  if (now.claim) RETURN_IF_ERROR(ReadClaims());
  if (now.mail) RETURN_IF_ERROR(ReadMail());
  if (now.task) sources.tasks.Notify();
  return absl::OkStatus();
}

absl::Status Replicas::State::ReadPeers() {
  ASSIGN_OR_RETURN(std::vector<ReplicaRow> rows, table.Alive(*session));
  metrics.peers.Set(static_cast<double>(std::count_if(
      rows.begin(), rows.end(), [this](const ReplicaRow& row) { return row.id != id; })));
  metrics.turn.Set(!rows.empty() && rows.front().id == id ? 1 : 0);
  const std::lock_guard lock(mutex);
  if (rows.size() != alive.size()) heard.claim = true;
  alive = std::move(rows);
  return absl::OkStatus();
}

// Nodes whose claim is here, and that another has taken since: their older stream is still here.
void Replicas::State::FenceLost(const std::vector<ClaimRow>& claims) {
  std::vector<std::string> lost;
  {
    const std::lock_guard lock(mutex);
    for (const ClaimRow& claim : claims) {
      const auto found = held.find(claim.node);
      if (found == held.end() || claim.replica == id || claim.number <= found->second) continue;
      held.erase(found);
      lost.push_back(claim.node);
    }
  }
  sources.nodes.Fence(lost);
  for (const std::string& node : lost) sources.series.Forget(node);
  metrics.fenced.Increment(static_cast<double>(lost.size()));
}

absl::Status Replicas::State::ReadClaims() {
  ASSIGN_OR_RETURN(const std::vector<ClaimRow> claims, table.Claims(*session));
  FenceLost(claims);
  std::map<int64_t, std::string> names;
  {
    const std::lock_guard lock(mutex);
    for (const ReplicaRow& row : alive) names[row.id] = row.name;
  }
  uint64_t elsewhere = 0;
  for (ClaimRow claim : claims) {
    if (claim.replica == id) {
      seen.erase(claim.node);
      continue;
    }
    const auto holder = names.find(claim.replica);
    if (holder == names.end()) claim.replica = 0;
    elsewhere += claim.replica != 0 ? 1 : 0;
    RETURN_IF_ERROR(Learn(claim, claim.replica == 0 ? "" : holder->second));
  }
  metrics.nodes_elsewhere.Set(static_cast<double>(elsewhere));
  return absl::OkStatus();
}

absl::Status Replicas::State::Learn(const ClaimRow& claim, const std::string& holder) {
  const auto found = seen.find(claim.node);
  const bool is_new = found == seen.end();
  const bool revised = is_new || found->second.revision != claim.revision;
  if (!revised && found->second.replica == claim.replica && found->second.number == claim.number) {
    return absl::OkStatus();
  }
  // Its stream is about to end here; then is the time.
  if (sources.nodes.Where(claim.node) == Nodes::Place::kHere) return absl::OkStatus();
  if (claim.replica != 0) sources.series.Forget(claim.node);
  absl::Status learnt = sources.nodes.Learn(
      claim.node, holder, claim.replica == 0 ? Nodes::Send() : SenderTo(claim.replica, claim.node),
      revised);
  if (absl::IsUnavailable(learnt)) return learnt;
  // What is kept of this node cannot be read; the others are not to suffer for it.
  if (!learnt.ok()) LogWarning(fmt::format("replicas: node {}: {}", claim.node, Message(learnt)));
  seen[claim.node] = claim;
  return absl::OkStatus();
}

absl::Status Replicas::State::SendReleases() {
  std::vector<std::pair<std::string, uint64_t>> claims;
  {
    const std::lock_guard lock(mutex);
    claims = std::exchange(released, {});
  }
  if (claims.empty()) return absl::OkStatus();
  absl::Status status = table.Release(*session, id, claims);
  if (status.ok()) return status;
  const std::lock_guard lock(mutex);
  released.insert(released.end(), claims.begin(), claims.end());
  return status;
}

// The lease has run out, or may have: whoever is alive may have the nodes.
void Replicas::State::GiveUp() {
  {
    const std::lock_guard lock(mutex);
    if (given_up || alive.size() < 2 || Steady::now() - renewed < options.lease) return;
    held.clear();
    released.clear();
  }
  given_up = true;
  metrics.leases_lost.Increment();
  LogWarning("replicas: the lease has run out: the nodes are left to the others");
  sources.nodes.FenceAll();
}

// As a new replica: whatever an older claim says, the old one is not alive.
absl::Status Replicas::State::ComeBack() {
  if (!given_up) {
    metrics.leases_lost.Increment();
    LogWarning("replicas: the lease has run out: coming back as a new one");
    {
      const std::lock_guard lock(mutex);
      held.clear();
      released.clear();
    }
    sources.nodes.FenceAll();
  }
  const int64_t old = id;
  ASSIGN_OR_RETURN(id, table.Register(options.name));
  given_up = false;
  seen.clear();
  heard = {};
  RETURN_IF_ERROR(TellAddresses());
  return table.Leave(old);
}

absl::Status Replicas::State::TellAddresses() {
  std::pair<std::string, std::string> addresses;
  {
    const std::lock_guard lock(mutex);
    addresses = {http, grpc};
  }
  return table.Announce(id, addresses.first, addresses.second);
}

absl::Status Replicas::State::ReadMail() {
  ASSIGN_OR_RETURN(const std::vector<MailRow> mail, table.Fetch(*session, id));
  for (const MailRow& one : mail) Deliver(one);
  return absl::OkStatus();
}

void Replicas::State::Deliver(const MailRow& mail) {
  metrics.mail.Add({{"what", "received"}}).Increment();
  if (mail.reply) {
    v1::ParameterReply reply;
    if (reply.ParseFromString(mail.message)) sources.nodes.OnReply(reply);
    return;
  }
  v1::ToNode message;
  if (!message.ParseFromString(mail.message)) return;
  // A node that has gone on is told by whoever has it now.
  if (sources.nodes.Where(mail.node) != Nodes::Place::kHere) return;
  if (message.has_set_parameters()) {
    const std::lock_guard lock(mutex);
    if (asked.size() >= kMaxAsked) asked.clear();
    asked[message.set_parameters().request_id()] = mail.sender;
  }
  sources.nodes.Tell(mail.node, message);
}

void Replicas::State::OnStray(const v1::ParameterReply& reply) {
  int64_t recipient = 0;
  {
    const std::lock_guard lock(mutex);
    const auto found = asked.find(reply.request_id());
    if (found == asked.end()) return;
    recipient = found->second;
    asked.erase(found);
  }
  Post({.recipient = recipient,
        .sender = id,
        .node = "",
        .reply = true,
        .message = reply.SerializeAsString()});
}

void Replicas::State::Post(const MailRow& mail) {
  const absl::Status status = table.Post(mail);
  metrics.mail.Add({{"what", status.ok() ? "sent" : "lost"}}).Increment();
}

Nodes::Send Replicas::State::SenderTo(int64_t replica, const std::string& node) {
  return [this, replica, node](const v1::ToNode& message) {
    Post({.recipient = replica,
          .sender = id,
          .node = node,
          .reply = false,
          .message = message.SerializeAsString()});
  };
}

absl::StatusOr<std::unique_ptr<Replicas>> Replicas::Start(const ReplicaOptions& options,
                                                          const ReplicaSources& sources) {
  auto state = std::make_unique<State>(options, sources);
  ASSIGN_OR_RETURN(state->id, state->table.Register(options.name));
  return std::unique_ptr<Replicas>(new Replicas(std::move(state)));
}

Replicas::Replicas(std::unique_ptr<State> state) : state_(std::move(state)) {
  State& s = *state_;
  s.sources.nodes.Share({.name = s.options.name,
                         .kept =
                             [&s](const std::vector<std::string>& nodes) {
                               if (!s.table.Revise(s.id, nodes).ok())
                                 s.metrics.failures.Increment();
                             },
                         .stray = [&s](const v1::ParameterReply& reply) { s.OnStray(reply); }});
  s.thread = std::jthread([&s](const std::stop_token& stop) { s.Run(stop); });
}

Replicas::~Replicas() {
  State& s = *state_;
  s.thread.request_stop();
  s.Wake();
  s.thread.join();
  s.sources.nodes.Share({});
  s.table.Leave(s.id).IgnoreError();
}

void Replicas::Announce(const std::string& http, const std::string& grpc) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->http = http;
    state_->grpc = grpc;
  }
  const absl::Status status = state_->TellAddresses();
  if (!status.ok()) LogWarning("replicas: " + Message(status));
}

absl::StatusOr<uint64_t> Replicas::Take(const v1::Hello& hello, const std::string& collector) {
  State& s = *state_;
  const int64_t id = s.id;
  bool free = false;
  {
    const std::lock_guard lock(s.mutex);
    free = !s.held.contains(hello.node());
  }
  ASSIGN_OR_RETURN(
      const PostgresReplicas::Taken taken,
      s.table.Take(id, hello.node(), IdentityOf(hello, collector), hello.hostname(), free));
  if (!taken.refusal.empty()) {
    s.metrics.namesakes.Increment();
    return absl::AlreadyExistsError({taken.refusal.data(), taken.refusal.size()});
  }
  const std::lock_guard lock(s.mutex);
  if (id != s.id) return Unavailable(fmt::format("node {}: the lease has run out", hello.node()));
  s.held[hello.node()] = taken.number;
  return taken.number;
}

void Replicas::Release(const std::string& node, uint64_t number) {
  State& s = *state_;
  {
    const std::lock_guard lock(s.mutex);
    const auto found = s.held.find(node);
    if (found == s.held.end() || found->second != number) return;
    s.held.erase(found);
    s.released.emplace_back(node, number);
  }
  s.Wake();
}

bool Replicas::turn() const {
  const std::lock_guard lock(state_->mutex);
  if (Steady::now() - state_->renewed >= state_->options.lease) return false;
  // Before the first look nobody knows who else there is.
  return !state_->alive.empty() && state_->alive.front().id == state_->id;
}

const std::string& Replicas::name() const { return state_->options.name; }

std::vector<Replicas::Peer> Replicas::List() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Peer> peers;
  for (const ReplicaRow& row : state_->alive) {
    peers.push_back({row, row.id == state_->id, &row == &state_->alive.front()});
  }
  return peers;
}

}  // namespace huatuo
