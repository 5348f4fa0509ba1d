#include "apiserver/ingest/session.h"

#include <fmt/format.h>
#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "apiserver/ingest/hello.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

using google::protobuf::internal::WireFormatLite;

// Of the memory that a message is parsed into.
constexpr size_t kFirstBlock = 1 << 10;
constexpr size_t kLargestBlock = 128 << 10;

// The rate of a node that is asked to keep its events in the spool; 0 would mean no limit.
constexpr uint32_t kSlowRate = 1;

// The bytes of the field `number` of the message in `bytes`, as the node serialized them: its hash
// is of these, and a newer node's catalog serializes differently here.
std::string_view FieldBytes(std::string_view bytes, int number) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  std::string_view found;
  while (const uint32_t tag = input.ReadTag()) {
    uint32_t size = 0;
    if (WireFormatLite::GetTagFieldNumber(tag) != number) {
      if (!WireFormatLite::SkipField(&input, tag)) break;
      continue;
    }
    if (!input.ReadVarint32(&size) || size > bytes.size()) break;
    found = bytes.substr(static_cast<size_t>(input.CurrentPosition()), size);
    if (!input.Skip(static_cast<int>(size))) break;
  }
  return found;
}

std::string_view Kind(v1::FromNode::MessageCase message) {
  switch (message) {
    case v1::FromNode::kHello:
      return "hello";
    case v1::FromNode::kCatalog:
      return "catalog";
    case v1::FromNode::kEntries:
      return "entries";
    case v1::FromNode::kMetrics:
      return "metrics";
    case v1::FromNode::kStatus:
      return "status";
    case v1::FromNode::kParameterReply:
      return "parameter_reply";
    case v1::FromNode::kConfigureReply:
      return "configure_reply";
    case v1::FromNode::kInstanceReply:
      return "instance_reply";
    case v1::FromNode::MESSAGE_NOT_SET:
      break;
  }
  return "unknown";
}

// What is stored counts for the node, whether or not its stream is still there.
void Account(const Shared& shared, const v1::Hello& hello, const Writer::Outcome& outcome,
             uint64_t missing) {
  const uint64_t fresh = outcome.high_water - std::min(outcome.high_water, outcome.previous);
  missing = std::min(missing, fresh);
  shared.metrics.Events("gap", missing);
  shared.nodes.Account(hello.node(), [&](NodeState& state) {
    if (state.hello.epoch() == hello.epoch()) {
      state.high_water = std::max(state.high_water, outcome.high_water);
    }
    state.events += outcome.events;
    state.rejected += outcome.rejected;
    state.missing += missing;
  });
}

}  // namespace

std::shared_ptr<Session> Session::Start(const Shared& shared, Wire wire) {
  return std::shared_ptr<Session>(new Session(shared, std::move(wire)));
}

Session::Session(const Shared& shared, Wire wire) : shared_(shared), wire_(std::move(wire)) {
  shared_.metrics.StreamOpened();
}

Session::~Session() {
  shared_.metrics.StreamClosed();
  if (session_ != 0) {
    shared_.series.Close(hello_.node(), session_);
    shared_.nodes.Disconnect(hello_.node(), session_);
  }
  if (claim_ != 0) shared_.claims->Release(hello_.node(), claim_);
}

absl::StatusOr<Exchange::Next> Session::Receive(std::string_view bytes) {
  const int64_t begin_ns = shared_.clock.BootNs();
  // A message is a thousand small ones, which go all at once.
  google::protobuf::ArenaOptions blocks;
  blocks.start_block_size = std::clamp(bytes.size(), kFirstBlock, kLargestBlock);
  blocks.max_block_size = kLargestBlock;
  google::protobuf::Arena arena(blocks);
  auto& message = *google::protobuf::Arena::CreateMessage<v1::FromNode>(&arena);
  // The reason goes to the node; protobuf would write each one to stderr as well.
  std::optional<google::protobuf::LogSilencer> silence(std::in_place);
  const bool parsed = message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  silence.reset();
  const std::string_view kind = parsed ? Kind(message.message_case()) : "unparsable";
  shared_.metrics.Message(kind, bytes.size());
  absl::StatusOr<Next> next = InvalidArgument("message: cannot be parsed");
  if (parsed) next = Dispatch(message, bytes);
  if (!next.ok()) {
    const absl::Status status = Annotate(next.status(), kind);
    Refused(status);
    return status;
  }
  Passed(message.message_case(), shared_.clock.BootNs() - begin_ns);
  return next;
}

void Session::Passed(v1::FromNode::MessageCase kind, int64_t ns) {
  using Stage = IngestMetrics::Stage;
  if (kind == v1::FromNode::kMetrics) shared_.metrics.Passed(Stage::kApply, ns);
  if (kind == v1::FromNode::kEntries) shared_.metrics.Passed(Stage::kRead, ns);
}

void Session::Refused(const absl::Status& status) {
  // Who was fenced from outside has been counted there.
  const bool counted = absl::IsAborted(status) && fenced_.exchange(true);
  if (!counted) shared_.metrics.StreamRefused(RefusalCause(status));
}

absl::StatusOr<Session::Next> Session::Dispatch(const v1::FromNode& message,
                                                std::string_view bytes) {
  const auto kind = message.message_case();
  if (kind == v1::FromNode::MESSAGE_NOT_SET) return InvalidArgument("a message that is not known");
  if ((kind == v1::FromNode::kHello) != (session_ == 0)) {
    return InvalidArgument(session_ == 0 ? "before hello" : "a second one");
  }
  RETURN_IF_ERROR(CheckOrder(kind));
  switch (kind) {
    case v1::FromNode::kHello:
      RETURN_IF_ERROR(OnHello(message.hello()));
      break;
    case v1::FromNode::kCatalog:
      RETURN_IF_ERROR(OnCatalog(FieldBytes(bytes, v1::FromNode::kCatalogFieldNumber)));
      break;
    case v1::FromNode::kEntries:
      return OnEntries(message.entries());
    case v1::FromNode::kMetrics:
      RETURN_IF_ERROR(shared_.series.Apply(hello_.node(), session_, message.metrics()));
      break;
    case v1::FromNode::kStatus:
      OnStatus(message.status());
      break;
    case v1::FromNode::kParameterReply:
      shared_.nodes.OnReply(message.parameter_reply());
      break;
    case v1::FromNode::kConfigureReply:
      shared_.nodes.Update(hello_.node(), session_, [&message](NodeState& node) {
        node.configured = message.configure_reply();
      });
      break;
    case v1::FromNode::kInstanceReply:
      shared_.nodes.Announce({.kind = NodeNews::Kind::kReply,
                              .node = hello_.node(),
                              .reply = message.instance_reply()});
      break;
    default:
      break;
  }
  return Next::kRead;
}

// Also marks the node as heard of.
absl::Status Session::CheckOrder(v1::FromNode::MessageCase kind) {
  if (kind == v1::FromNode::kHello) return absl::OkStatus();
  const bool current =
      !fenced_ && shared_.nodes.Update(hello_.node(), session_, [this](NodeState& node) {
        node.last_message_ns = shared_.clock.WallNs();
      });
  if (!current) return Fenced(hello_.node());
  const bool catalog = kind == v1::FromNode::kCatalog;
  if (catalog && catalog_) return InvalidArgument("not asked for");
  const bool needs = kind == v1::FromNode::kEntries || kind == v1::FromNode::kMetrics;
  if (needs && !catalog_) return InvalidArgument("before the catalog");
  return absl::OkStatus();
}

absl::Status Session::OnHello(const v1::Hello& hello) {
  RETURN_IF_ERROR(CheckHello(hello));
  if (wire_.allow) RETURN_IF_ERROR(wire_.allow(hello.node()));
  ASSIGN_OR_RETURN(auto catalog, shared_.catalogs.Find(hello.catalog_sha256()));
  hello_ = hello;
  if (shared_.claims != nullptr) {
    ASSIGN_OR_RETURN(claim_, shared_.claims->Take(hello, wire_.collector));
  }
  // Reading the mark after the older stream was ended would not be safer: what it has submitted may
  // still be queued. The store skips what then comes twice.
  ASSIGN_OR_RETURN(high_water_, shared_.appender.HighWater(hello.node(), Hex(hello.epoch())));
  session_ = shared_.nodes.Connect(hello, wire_.send,
                                   [weak = weak_from_this(), end = wire_.end, node = hello.node()] {
                                     const auto self = weak.lock();
                                     if (!self || self->fenced_.exchange(true)) return;
                                     self->shared_.metrics.StreamRefused("fenced");
                                     end(Fenced(node));
                                   });
  shared_.nodes.Update(hello_.node(), session_, [this](NodeState& node) {
    // A commit of the older stream may have been accounted in between.
    node.high_water = std::max(node.high_water, high_water_);
  });
  v1::ToNode reply;
  reply.mutable_welcome()->set_catalog_needed(!catalog);
  reply.mutable_welcome()->set_high_water(high_water_);
  reply.mutable_welcome()->set_fencing(session_);
  wire_.send(std::move(reply));
  return catalog ? UseCatalog(std::move(catalog)) : absl::OkStatus();
}

absl::Status Session::OnCatalog(std::string_view bytes) {
  ASSIGN_OR_RETURN(auto catalog, shared_.catalogs.Add(hello_.catalog_sha256(), bytes));
  return UseCatalog(std::move(catalog));
}

absl::Status Session::UseCatalog(std::shared_ptr<const v1::Catalog> catalog) {
  ASSIGN_OR_RETURN(std::vector<v1::RefusedUnit> refused, shared_.catalogs.Merge(*catalog));
  std::map<uint32_t, std::string> rejected;
  std::vector<uint32_t> muted;
  v1::ToNode reply;
  reply.mutable_catalog_reply();
  for (const v1::RefusedUnit& unit : refused) {
    *reply.mutable_catalog_reply()->add_refused() = unit;
    for (int i = 0; i < catalog->units_size(); ++i) {
      if (catalog->units(i).name() != unit.unit()) continue;
      muted.push_back(static_cast<uint32_t>(i));
      rejected[muted.back()] = fmt::format("unit {} is refused: {}", unit.unit(), unit.reason());
    }
  }
  shared_.nodes.Update(hello_.node(), session_, [&](NodeState& node) {
    node.catalog = catalog;
    node.refused_units = std::move(refused);
  });
  shared_.series.Open(hello_.node(), hello_.region(), session_, catalog, std::move(muted));
  const PodIndex* const pods = shared_.waits == nullptr ? nullptr : &shared_.waits->pods();
  entries_.emplace(hello_, catalog, std::move(rejected), high_water_, shared_.issues, pods);
  if (pods != nullptr) {
    line_ = shared_.waits->Open(
        [weak = weak_from_this()](const v1::EntryBatch& batch, bool from_stream) {
          const auto self = weak.lock();
          return self ? self->Take(batch, from_stream) : Unavailable("the stream has ended");
        });
  }
  catalog_ = std::move(catalog);
  wire_.send(std::move(reply));
  shared_.nodes.Announce({.kind = NodeNews::Kind::kConnected, .node = hello_.node()});
  return absl::OkStatus();
}

void Session::OnStatus(const v1::NodeStatus& status) {
  const bool current = shared_.nodes.Update(hello_.node(), session_,
                                            [&status](NodeState& node) { node.status = status; });
  if (!current) return;
  NodeNews news{.kind = NodeNews::Kind::kStatus, .node = hello_.node()};
  for (const v1::UnitStatus& unit : status.units()) {
    constexpr std::string_view kTask = "task:";
    const std::string& instance = unit.instance();
    if (instance.starts_with(kTask)) news.tasks.push_back(instance.substr(kTask.size()));
  }
  shared_.nodes.Announce(news);
}

absl::StatusOr<Session::Next> Session::OnEntries(const v1::EntryBatch& batch) {
  return line_ ? line_->Push(batch) : Take(batch, true);
}

// Of a batch that had to wait it is not the stream that asks: nobody but this function ends it
// then.
absl::StatusOr<Session::Next> Session::Take(const v1::EntryBatch& batch, bool from_stream) {
  absl::StatusOr<EntryReader::Batch> result =
      fenced_ ? Fenced(hello_.node()) : entries_->Read(batch, shared_.clock.WallNs());
  if (!result.ok()) {
    if (!from_stream) {
      Refused(result.status());
      wire_.end(result.status());
    }
    return result.status();
  }
  EntryReader::Batch& read = *result;
  shared_.metrics.Events("duplicate", read.duplicates);
  shared_.metrics.Events("silenced", read.silenced);
  const auto stored = [weak = weak_from_this(), shared = shared_, hello = hello_,
                       missing = read.missing,
                       exemplars = std::move(read.exemplars)](const Writer::Outcome& outcome) {
    Account(shared, hello, outcome, missing);
    // What is told as an example must be there when it is asked for.
    if (outcome.rejected == 0) shared.series.Exemplify(hello.node(), exemplars);
    v1::ToNode reply;
    reply.mutable_ack()->set_sequence(outcome.high_water);
    if (const auto self = weak.lock()) self->wire_.send(std::move(reply));
  };
  return Relieve(shared_.writer.Submit(std::move(read.commit), stored), from_stream);
}

Session::Next Session::Relieve(Pressure pressure, bool may_pause) {
  if (pressure == Pressure::kFree) return Next::kRead;
  const bool pause = may_pause && pressure == Pressure::kFull;
  bool told = false;
  {
    const std::lock_guard lock(mutex_);
    told = std::exchange(slowed_, true);
    paused_ = paused_ || pause;
  }
  if (!told) {
    const std::string failure = shared_.writer.failure();
    v1::ToNode reply;
    reply.mutable_slow_down()->set_entries_per_second(kSlowRate);
    reply.mutable_slow_down()->set_reason(failure.empty() ? "events wait for the store"
                                                          : "the store refuses: " + failure);
    shared_.metrics.SlowDown();
    wire_.send(std::move(reply));
    shared_.writer.OnRoom([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->OnRoom();
    });
  }
  return pause ? Next::kPause : Next::kRead;
}

void Session::OnRoom() {
  bool resume = false;
  {
    const std::lock_guard lock(mutex_);
    slowed_ = false;
    resume = std::exchange(paused_, false);
  }
  v1::ToNode reply;
  reply.mutable_slow_down()->set_reason("the store keeps up");
  wire_.send(std::move(reply));
  if (resume) wire_.resume();
}

}  // namespace huatuo
