#include "test/apiserver/query/bed.h"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <thread>

#include "apiserver/query/scope.h"
#include "common/id.h"
#include "test/apiserver/query/schema.h"

namespace huatuo {

std::string EventDocument(const std::string& tracer, const std::string& node,
                          const std::string& id) {
  return fmt::format(
      R"({{"tracer_name":"{}","tracer_id":"{}","tracer_type":"auto",)"
      R"("tracer_time":"2026-11-21T01:23:45.678901234Z","hostname":"{}","tracer_data":{{}}}})",
      tracer, id, node);
}

uint64_t FakeQuerier::Append(const std::string& tracer, const std::string& node,
                             const std::string& id, const std::string& task,
                             const std::string& name_space) {
  const std::lock_guard lock(mutex_);
  StoredEvent event;
  event.position = rows_.size() + 1;
  event.node = node;
  event.row.tracer_name = tracer;
  event.row.tracer_id = id;
  event.row.task_id = task;
  if (!name_space.empty()) event.row.subjects.emplace_back().namespace_name = name_space;
  event.row.document = EventDocument(tracer, node, id);
  rows_.push_back(event);
  return event.position;
}

void FakeQuerier::Fail(const absl::Status& status) {
  const std::lock_guard lock(mutex_);
  failure_ = status;
}

absl::StatusOr<std::vector<StoredEvent>> FakeQuerier::Query(const EventFilter& filter, Order order,
                                                            uint64_t after, size_t limit) {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  last_filter_ = filter;
  std::vector<StoredEvent> found;
  for (const StoredEvent& row : rows_) {
    const bool beyond =
        after == 0 || (order == Order::kOldestFirst ? row.position > after : row.position < after);
    const bool matches = (filter.tracer.empty() || filter.tracer == row.row.tracer_name) &&
                         (filter.node.empty() || filter.node == row.node) &&
                         (filter.task_id.empty() || filter.task_id == row.row.task_id) &&
                         (filter.namespace_name.empty() ||
                          SeesAny({.namespaces = {filter.namespace_name}}, row.row.subjects));
    if (beyond && matches) found.push_back(row);
    if (order == Order::kOldestFirst && found.size() == limit) break;
  }
  if (order == Order::kNewestFirst) std::reverse(found.begin(), found.end());
  if (found.size() > limit) found.resize(limit);
  return found;
}

absl::StatusOr<std::vector<EventCount>> FakeQuerier::Count(const EventFilter& filter, int64_t) {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  last_filter_ = filter;
  return counts;
}

absl::StatusOr<std::optional<StoredEvent>> FakeQuerier::Get(std::string_view tracer_id) {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  for (const StoredEvent& row : rows_) {
    if (row.row.tracer_id == tracer_id) return std::optional<StoredEvent>(row);
  }
  return std::optional<StoredEvent>();
}

absl::StatusOr<uint64_t> FakeQuerier::Newest() {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return failure_;
  return rows_.size();
}

absl::StatusOr<std::vector<RejectedRow>> FakeQuerier::Rejected(std::string_view, size_t) {
  return std::vector<RejectedRow>();
}

EventFilter FakeQuerier::last_filter() const {
  const std::lock_guard lock(mutex_);
  return last_filter_;
}

Authorizer TokensOf(const std::vector<Caller>& callers) {
  std::vector<ApiToken> tokens;
  for (const Caller& caller : callers) tokens.push_back({caller, Sha256(caller.name)});
  return BearerTokens(std::make_shared<Live<ApiTokens>>(ApiTokens(std::move(tokens))),
                      Clock::Real());
}

Bed::Bed(ApiOptions options, Console files) : console(std::move(files)) {
  clock.wall_ns = 1'795'000'000'000'000'000;
  options.server.listen = "127.0.0.1:0";
  options.parameter_timeout = std::chrono::milliseconds(50);
  auto begun = Tasks::Start({clock, task_store, querier, profiles, nodes, commits, registry});
  REQUIRE(begun.ok());
  tasks = std::move(*begun);
  auto configured = LiveConfig::Start(facts, nodes, clock, registry);
  REQUIRE(configured.ok());
  config = std::move(*configured);
  auto started = ApiServer::Start(options, {querier,
                                            profiles,
                                            nodes,
                                            *config,
                                            issues,
                                            *tasks,
                                            series,
                                            commits,
                                            registry,
                                            clock,
                                            {{"ingest", [this] { return stall; }}},
                                            console});
  REQUIRE(started.ok());
  server = std::move(*started);
  openapi = Ask("GET", "/api/v1/openapi.json").body;
}

Answer Bed::Ask(const std::string& method, const std::string& target, const std::string& headers,
                const std::string& body) {
  Client client(server->address());
  client.Send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}", method,
                          target, headers));
  if (!body.empty()) client.Send(fmt::format("Content-Length: {}\r\n", body.size()));
  client.Send("\r\n" + body);
  Answer answer = client.ReadAnswer(method == "HEAD");
  const std::string type = answer.headers["content-type"];
  if (openapi.empty() || type.find("json") == std::string::npos || method == "HEAD") return answer;
  const auto document = boost::json::parse(openapi);
  std::string verb = method;
  for (char& c : verb) c = static_cast<char>(tolower(c));
  const auto* schema =
      ReplySchema(document, verb, target.substr(0, target.find('?')), answer.status, type);
  const bool outside = answer.status == 404 || answer.status == 405 || answer.status == 400;
  static const auto kProblem = boost::json::parse(R"({"$ref":"#/components/schemas/Problem"})");
  if (!schema && outside) schema = &kProblem;
  INFO(method << " " << target << " " << answer.status << " " << type);
  REQUIRE(schema);
  const std::string error = SchemaError(*schema, boost::json::parse(answer.body), document);
  INFO(error);
  CHECK(error.empty());
  return answer;
}

double Bed::Counter(const std::string& name) {
  for (const auto& family : registry.Collect()) {
    if (family.name != name) continue;
    const auto& metric = family.metric.at(0);
    return family.type == prometheus::MetricType::Gauge ? metric.gauge.value : metric.counter.value;
  }
  return -1;
}

namespace {

bool Becomes(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

bool Bed::Reaches(const std::string& name, double value) {
  return Becomes([&] { return Counter(name) == value; });
}

bool Bed::Passes(const std::string& name, double value) {
  return Becomes([&] { return Counter(name) >= value; });
}

void Bed::AddNode() {
  auto catalog = std::make_shared<v1::Catalog>();
  REQUIRE(google::protobuf::TextFormat::ParseFromString(R"(
    units { name: "oom" help: "Kills."
      events { name: "oom" help: "A kill." fields { name: "victim_pid" help: "Pid." type: UINT } }
      metrics { name: "huatuo_node_oom_events_total" help: "Kills." type: COUNTER }
      metrics { name: "huatuo_node_wait_seconds" help: "Waits." type: HISTOGRAM
                first_bound: 0.5 buckets: 2 }
      parameters { name: "rate" help: "Most a second." unit: "events/s"
                   default_value: 10 minimum: 1 maximum: 100 } })",
                                                        catalog.get()));
  v1::Hello hello;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(R"(
    node: "n1" region: "dev" version: "0.1.0" kernel_release: "6.1.0" boot_id: "b" hostname: "h1"
    epoch: "0123456789abcdef")",
                                                        &hello));
  const uint64_t session = nodes.Connect(
      hello,
      [this](const v1::ToNode& message) {
        sent.push_back(message);
        if (!node_reply) return;
        v1::ParameterReply reply = *node_reply;
        reply.set_request_id(message.set_parameters().request_id());
        nodes.OnReply(reply);
      },
      [] {});
  nodes.Update("n1", session, [&](NodeState& node) {
    node.catalog = catalog;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(R"(
      units { unit: "oom" instance: "always" state: RUNNING mechanism: "fentry" lacks: "" 
              emitted: 7 refused: 2 ring_full: 1 parameters { name: "rate" value: 20 } }
      programs { unit: "oom" instance: "always" program: "oom_kill" runs: 4 run_ns: 2000 ratio: 0.0001 map_bytes: 64 recursion_misses: 2 }
      losses { unit: "oom" cause: "rate" count: 2 }
      cpu_seconds: 1.5 rss_bytes: 1000 peak_rss_bytes: 2000 map_bytes: 64 spool_bytes: 5
      spool_limit_bytes: 100 overhead_ratio: 0.002 budget_ratio: 0.01 shed: "stacks" cpus: 2
      containers: 3 spooled_entries: 1)",
                                                          &node.status));
    node.high_water = 9;
    node.events = 8;
    node.missing = 1;
    node.clock_skew_ns = -1'500'000'000;
    node.connected_ns = clock.wall_ns;
    node.last_message_ns = clock.wall_ns;
    node.session = 1;
  });
  series.Open("n1", "dev", session, catalog);
  v1::MetricBatch batch;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(R"(
    announce { id: 1 unit: 0 metric: 0 } announce { id: 2 unit: 0 metric: 1 }
    samples { round: 1 time_ns: 1795000000250000000 ids: 1 values: 3 complete: true
      histograms { id: 2 cumulative: 1 cumulative: 2 cumulative: 4 sum: 7.5
                   start_time_ns: 1794999999000000000 } })",
                                                        &batch));
  REQUIRE(series.Apply("n1", session, batch).ok());
}

}  // namespace huatuo
