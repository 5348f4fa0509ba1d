#include "apiserver/config/live_config.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/document.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

namespace json = boost::json;

using Version = LiveConfig::Version;

constexpr std::string_view kKind = "configuration";
constexpr std::string_view kNewest = "newest";
constexpr size_t kMaxComment = 1000;
constexpr std::chrono::milliseconds kLook{500};
// Of the request beside the document; the last ones are what a reader is told with it.
const std::vector<std::string> kBeside = {"comment", "version", "created_time", "created_ns"};
constexpr ConfigState kStates[] = {ConfigState::kPending, ConfigState::kApplied,
                                   ConfigState::kRefused};

// A version takes the place of the one that was kept so many versions before.
std::string KeptKey(uint64_t number) { return fmt::format("kept-{}", number % LiveConfig::kKept); }

std::string Text(const Version& version) {
  json::object object = ConfigJson(version.document);
  object["version"] = version.number;
  object["created_ns"] = version.created_ns;
  object["comment"] = version.comment;
  return json::serialize(object);
}

absl::StatusOr<Version> Parse(const std::string& text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  Version version;
  const auto bad = error || !value.is_object()
                       ? Objection(Refusal{"", "not an object", ""})
                       : ReadConfig(value.as_object(), kBeside, nullptr, version.document);
  if (bad) {
    return Internal(fmt::format("configuration in the store: {}: {}", bad->field, bad->detail));
  }
  const json::object& object = value.as_object();
  version.number = object.at("version").to_number<uint64_t>(error);
  version.created_ns = object.at("created_ns").to_number<int64_t>(error);
  version.comment = object.at("comment").as_string().c_str();
  return version;
}

Objection ReadComment(const json::object& object, std::string& comment) {
  const json::value* value = object.if_contains("comment");
  if (value == nullptr) return std::nullopt;
  if (!value->is_string() || value->as_string().size() > kMaxComment) {
    return Refusal{"comment", value->is_string() ? "too long" : "not a text",
                   fmt::format("a text of at most {} bytes", kMaxComment)};
  }
  comment = value->as_string().c_str();
  return std::nullopt;
}

Objection ReadBase(const json::object& object, std::optional<uint64_t>& base) {
  const json::value* value = object.if_contains("version");
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  base = value->is_number() ? value->to_number<uint64_t>(error) : uint64_t{0};
  if (value->is_number() && !error) return std::nullopt;
  return Refusal{"version", "bad value " + json::serialize(*value),
                 "the number of the version that was changed"};
}

}  // namespace

std::string_view ConfigStateName(ConfigState state) {
  constexpr std::string_view kNames[] = {"pending", "applied", "refused"};
  return kNames[static_cast<size_t>(state)];
}

ConfigState ConfigStateOf(const NodeState& node, uint64_t number) {
  if (node.configured.version() != number) return ConfigState::kPending;
  return node.configured.refused().empty() ? ConfigState::kApplied : ConfigState::kRefused;
}

struct LiveConfig::State {
  State(FactStore& the_facts, Nodes& the_nodes, const Clock& the_clock,
        prometheus::Registry& registry)
      : facts(the_facts),
        nodes(the_nodes),
        clock(the_clock),
        version(prometheus::BuildGauge()
                    .Name("huatuo_apiserver_configuration_version")
                    .Help("The version of the live configuration that is in force.")
                    .Register(registry)
                    .Add({})),
        in_state(prometheus::BuildGauge()
                     .Name("huatuo_apiserver_configuration_nodes")
                     .Help("Nodes that are connected here, by what they have made of the live "
                           "configuration.")
                     .Register(registry)),
        current(std::make_shared<const Version>()) {}

  absl::Status Look();
  absl::Status Put(Version next, std::optional<uint64_t> base);
  // With `changing` held.
  absl::Status TakeNewest();
  absl::Status Stale() const;
  void Use(Version next, std::string text);
  std::shared_ptr<const Version> Current() const;
  void TellAll();
  void Tell(const v1::Hello& node);
  void Count();
  void Run(const std::stop_token& stop);

  FactStore& facts;
  Nodes& nodes;
  const Clock& clock;
  prometheus::Gauge& version;
  prometheus::Family<prometheus::Gauge>& in_state;

  std::mutex changing;                // store and memory change together; taken before `mutex`
  std::optional<std::string> stored;  // `current` as the store has it; with `changing`
  mutable std::mutex mutex;
  std::shared_ptr<const Version> current;  // written with both
  bool failed = false;                     // to look, and this was said; of the thread
  std::jthread thread;
};

std::shared_ptr<const Version> LiveConfig::State::Current() const {
  const std::lock_guard lock(mutex);
  return current;
}

void LiveConfig::State::Use(Version next, std::string text) {
  version.Set(static_cast<double>(next.number));
  stored = std::move(text);
  const std::lock_guard lock(mutex);
  current = std::make_shared<const Version>(std::move(next));
}

// What another process has put there.
absl::Status LiveConfig::State::Look() {
  const std::lock_guard lock(changing);
  return TakeNewest();
}

absl::Status LiveConfig::State::TakeNewest() {
  ASSIGN_OR_RETURN(std::optional<std::string> found, facts.Fact(kKind, kNewest));
  if (found == stored || !found.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Version next, Parse(*found));
  LogInfo(fmt::format("configuration: version {}", next.number));
  Use(std::move(next), std::move(*found));
  TellAll();
  return absl::OkStatus();
}

absl::Status LiveConfig::State::Stale() const {
  return FailedPrecondition(
      fmt::format("version: the newest is {} by now: read it, and change that", Current()->number));
}

absl::Status LiveConfig::State::Put(Version next, std::optional<uint64_t> base) {
  const std::lock_guard lock(changing);
  RETURN_IF_ERROR(TakeNewest());
  const std::optional<std::string> before = stored;
  next.number = current->number + 1;
  if (base.has_value() && *base != current->number) return Stale();
  next.created_ns = clock.WallNs();
  std::string text = Text(next);
  ASSIGN_OR_RETURN(const bool swapped, facts.Swap(kKind, kNewest, before, text));
  if (!swapped) {
    RETURN_IF_ERROR(TakeNewest());
    return Stale();
  }
  // What is in force is stored; without this it cannot be returned to one day.
  if (const absl::Status kept = facts.Put(kKind, KeptKey(next.number), text); !kept.ok()) {
    LogWarning(
        fmt::format("configuration: version {} is not kept: {}", next.number, Message(kept)));
  }
  LogInfo(fmt::format("configuration: version {}{}{}", next.number,
                      next.comment.empty() ? "" : ": ", next.comment));
  Use(std::move(next), std::move(text));
  TellAll();
  return absl::OkStatus();
}

void LiveConfig::State::TellAll() {
  std::vector<v1::Hello> connected;
  nodes.ForEach([&connected](const NodeState& node) {
    if (node.here && node.catalog) connected.push_back(node.hello);
  });
  for (const v1::Hello& node : connected) Tell(node);
}

// The last that a node is told is the newest, whoever tells it: after each message it is looked at
// once more whether there is a newer one.
void LiveConfig::State::Tell(const v1::Hello& node) {
  std::shared_ptr<const Version> told;
  for (auto newest = Current(); newest != told; newest = Current()) {
    told = newest;
    v1::ToNode message;
    *message.mutable_configure() = ConfigFor(told->document, node);
    message.mutable_configure()->set_version(told->number);
    nodes.Tell(node.node(), message);
  }
}

void LiveConfig::State::Count() {
  uint64_t counts[std::size(kStates)] = {};
  const uint64_t number = Current()->number;
  nodes.ForEach([&](const NodeState& node) {
    if (node.here) ++counts[static_cast<size_t>(ConfigStateOf(node, number))];
  });
  for (const ConfigState state : kStates) {
    in_state.Add({{"state", std::string(ConfigStateName(state))}})
        .Set(static_cast<double>(counts[static_cast<size_t>(state)]));
  }
}

void LiveConfig::State::Run(const std::stop_token& stop) {
  NameThread("live-config");
  std::mutex waiting;
  std::condition_variable_any stopped;
  std::unique_lock lock(waiting);
  while (!stopped.wait_for(lock, stop, kLook, [&stop] { return stop.stop_requested(); })) {
    const absl::Status status = Look();
    if (!status.ok() && !failed) LogWarning("configuration: " + Message(status));
    failed = !status.ok();
    Count();
  }
}

json::object LiveConfig::Json(const Version& version) {
  json::object object{
      {"version", version.number},
      {"created_time",
       version.number == 0 ? json::value(nullptr) : json::value(Rfc3339(version.created_ns))},
      {"comment", version.comment}};
  for (auto& member : ConfigJson(version.document)) object.insert(std::move(member));
  return object;
}

absl::StatusOr<std::unique_ptr<LiveConfig>> LiveConfig::Start(FactStore& facts, Nodes& nodes,
                                                              const Clock& clock,
                                                              prometheus::Registry& registry) {
  auto state = std::make_unique<State>(facts, nodes, clock, registry);
  RETURN_IF_ERROR(state->Look());
  state->Count();
  return std::unique_ptr<LiveConfig>(new LiveConfig(std::move(state)));
}

LiveConfig::LiveConfig(std::unique_ptr<State> state) : state_(std::move(state)) {
  State& s = *state_;
  s.nodes.Listen(this, [&s](const NodeNews& news) {
    if (news.kind != NodeNews::Kind::kConnected) return;
    if (const std::optional<NodeState> node = s.nodes.Find(news.node)) s.Tell(node->hello);
  });
  s.thread = std::jthread([&s](const std::stop_token& stop) { s.Run(stop); });
}

LiveConfig::~LiveConfig() { state_->nodes.Listen(this, {}); }

std::shared_ptr<const Version> LiveConfig::current() const { return state_->Current(); }

absl::StatusOr<std::vector<Version>> LiveConfig::Versions() const {
  ASSIGN_OR_RETURN(const auto facts, state_->facts.Facts(kKind));
  std::map<uint64_t, Version, std::greater<>> versions;
  for (const auto& [key, text] : facts) {
    ASSIGN_OR_RETURN(Version version, Parse(text));
    versions[version.number] = std::move(version);
  }
  std::vector<Version> list;
  for (auto& [number, version] : versions) list.push_back(std::move(version));
  return list;
}

absl::StatusOr<std::optional<Version>> LiveConfig::Find(uint64_t number) const {
  for (const std::string& key : {std::string(kNewest), KeptKey(number)}) {
    ASSIGN_OR_RETURN(const std::optional<std::string> text, state_->facts.Fact(kKind, key));
    if (!text.has_value()) continue;
    ASSIGN_OR_RETURN(Version version, Parse(*text));
    if (version.number == number) return version;
  }
  return std::nullopt;
}

LiveConfig::Changed LiveConfig::Replace(const json::value& body) {
  if (!body.is_object()) {
    return {Refusal{"", "the body is not an object", "defaults, overrides, comment, version"}};
  }
  const json::object& object = body.as_object();
  Version next;
  std::optional<uint64_t> base;
  const v1::Catalog units = state_->nodes.Units();
  if (auto bad = ReadConfig(object, kBeside, &units, next.document)) return {std::move(bad)};
  if (auto bad = ReadComment(object, next.comment)) return {std::move(bad)};
  if (auto bad = ReadBase(object, base)) return {std::move(bad)};
  return {std::nullopt, state_->Put(std::move(next), base)};
}

absl::Status LiveConfig::RollBack(uint64_t number) {
  ASSIGN_OR_RETURN(std::optional<Version> found, Find(number));
  if (!found) return NotFound(fmt::format("no version {} of the configuration is kept", number));
  found->comment = fmt::format("back to version {}", number);
  return state_->Put(std::move(*found), std::nullopt);
}

}  // namespace huatuo
