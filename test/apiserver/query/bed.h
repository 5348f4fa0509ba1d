// A whole ApiServer on a free port, over fakes that a test fills.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apiserver/query/api_server.h"
#include "apiserver/store/memory_profile_store.h"
#include "apiserver/store/memory_store.h"
#include "apiserver/store/memory_tasks.h"
#include "test/apiserver/query/client.h"

namespace huatuo {

// Rows in a vector; filters by tracer, node, task and namespace only.
class FakeQuerier : public Querier {
 public:
  uint64_t Append(const std::string& tracer, const std::string& node, const std::string& id,
                  const std::string& task = "", const std::string& name_space = "");
  void Fail(const absl::Status& status);

  absl::StatusOr<std::vector<StoredEvent>> Query(const EventFilter& filter, Order order,
                                                 uint64_t after, size_t limit) override;
  absl::StatusOr<std::vector<EventCount>> Count(const EventFilter& filter,
                                                int64_t step_ns) override;
  absl::StatusOr<std::optional<StoredEvent>> Get(std::string_view tracer_id) override;
  absl::StatusOr<uint64_t> Newest() override;
  absl::StatusOr<std::vector<RejectedRow>> Rejected(std::string_view, size_t) override;

  EventFilter last_filter() const;

  std::vector<EventCount> counts;  // what Count answers

 private:
  mutable std::mutex mutex_;
  std::vector<StoredEvent> rows_;
  EventFilter last_filter_;
  absl::Status failure_;
};

std::string EventDocument(const std::string& tracer, const std::string& node,
                          const std::string& id);

// Knows these callers; the token of each is its name.
Authorizer TokensOf(const std::vector<Caller>& callers);

struct Bed {
  explicit Bed(ApiOptions options = {}, Console files = {});

  // One request on a connection of its own. Every reply is checked against the served OpenAPI
  // document.
  Answer Ask(const std::string& method, const std::string& target, const std::string& headers = "",
             const std::string& body = "");
  Answer Get(const std::string& target, const std::string& headers = "") {
    return Ask("GET", target, headers);
  }
  // "200 <body>" or "400 <body>".
  std::string Text(const std::string& target) { return TextOf(Get(target)); }
  static std::string TextOf(const Answer& answer) {
    return std::to_string(answer.status) + " " + answer.body;
  }
  double Counter(const std::string& name);
  // Whether the metric reads `value` within 10 s: the server may count after the client has seen.
  bool Reaches(const std::string& name, double value);
  bool Passes(const std::string& name, double value);  // reads it or more

  // A connected node "n1" with the unit oom, one metric of each type, and samples.
  void AddNode();

  ManualClock clock;
  FakeQuerier querier;
  MemoryProfileStore profiles;
  MemoryStore facts;
  Nodes nodes{clock, facts};
  SeriesTable series{clock, 1000};
  CommitSignal commits;
  prometheus::Registry registry;
  KnownIssues issues{facts, registry};
  std::optional<std::string> stall;
  const Console console;
  std::vector<v1::ToNode> sent;
  std::optional<v1::ParameterReply> node_reply = v1::ParameterReply();
  MemoryTasks task_store;
  std::unique_ptr<Tasks> tasks;
  std::unique_ptr<LiveConfig> config;
  std::unique_ptr<ApiServer> server;
  std::string openapi;
};

}  // namespace huatuo
