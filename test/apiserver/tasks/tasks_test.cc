#include "apiserver/tasks/tasks.h"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>
#include <prometheus/registry.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "apiserver/store/memory_profile_store.h"
#include "apiserver/store/memory_store.h"
#include "common/status.h"

namespace huatuo {
namespace {

// The tasks of a MemoryStore, unless told to refuse.
class MoodyTasks : public TaskStore {
 public:
  explicit MoodyTasks(TaskStore& store) : store_(store) {}
  absl::Status Save(TaskRow& row) override {
    ++attempts;
    if (refuses) return absl::UnavailableError("disk full");
    return store_.Save(row);
  }
  absl::StatusOr<std::optional<TaskRow>> Find(std::string_view id) override {
    return store_.Find(id);
  }
  absl::StatusOr<std::vector<TaskRow>> List(const TaskFilter& filter, uint64_t before,
                                            size_t limit) override {
    return store_.List(filter, before, limit);
  }
  absl::Status Prune(int64_t ended_ns) override { return store_.Prune(ended_ns); }

  std::atomic<bool> refuses = false;
  std::atomic<int> attempts = 0;

 private:
  TaskStore& store_;
};

class Mail {
 public:
  void Add(const v1::ToNode& message) {
    const std::lock_guard lock(mutex_);
    text_ += message.ShortDebugString() + "\n";
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

struct Bed {
  Bed() { Restart(); }
  ~Bed() { tasks.reset(); }

  void Restart() {
    tasks.reset();
    auto started = Tasks::Start({clock, task_store, store, profiles, nodes, commits, registry});
    REQUIRE(started.ok());
    tasks = std::move(*started);
  }
  void Connect(const std::string& node) {
    v1::Hello hello;
    hello.set_node(node);
    const uint64_t session = nodes.Connect(
        hello, [this](const v1::ToNode& message) { mail.Add(message); }, [] {});
    nodes.Update(node, session,
                 [](NodeState& state) { state.catalog = std::make_shared<const v1::Catalog>(); });
    nodes.Announce({.kind = NodeNews::Kind::kConnected, .node = node});
  }
  void Reply(const std::string& id, const std::string& rest) {
    NodeNews news{.kind = NodeNews::Kind::kReply, .node = "n1"};
    REQUIRE(google::protobuf::TextFormat::ParseFromString("task_id: \"" + id + "\" " + rest,
                                                          &news.reply));
    nodes.Announce(std::move(news));
  }
  absl::StatusOr<Task> Make() {
    TaskSpec spec;
    spec.tool = "oom";
    spec.target.nodes = {"n1"};
    spec.duration_seconds = 10;
    return tasks->Create(spec, {{.node = "n1"}});
  }
  std::string State(const std::string& id) {
    const auto task = tasks->Find(id);
    REQUIRE(task.ok());
    return task->has_value() ? std::string(StateName((*task)->state)) + " " + (*task)->reason
                             : "none";
  }
  static bool Eventually(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  ManualClock clock;
  MemoryStore store;
  MoodyTasks task_store{store.tasks()};
  MemoryProfileStore profiles;
  Nodes nodes{clock, store};
  CommitSignal commits;
  prometheus::Registry registry;
  Mail mail;
  std::unique_ptr<Tasks> tasks;
};

NodeCommit Events(const std::string& task, uint64_t count) {
  NodeCommit commit{.node = "n1",
                    .epoch = "e",
                    .high_water = count,
                    .uploaded_ns = 1,
                    .events = {},
                    .rejected = {}};
  for (uint64_t i = 1; i <= count; ++i) {
    commit.events.push_back({.sequence = i,
                             .tracer_id = std::to_string(i),
                             .tracer_name = "oom",
                             .task_id = task,
                             .tracer_time_ns = 1,
                             .subjects = {},
                             .document = "{}"});
  }
  return commit;
}

TEST_CASE("a task goes on after a restart of the server, in every state") {
  Bed bed;
  const std::string id = bed.Make()->id;
  CHECK(bed.State(id) == "pending ");
  bed.Restart();
  CHECK(bed.State(id) == "pending ");
  bed.Connect("n1");
  REQUIRE(Bed::Eventually([&] { return bed.State(id) == "dispatched "; }));
  bed.nodes.Disconnect("n1", bed.nodes.Find("n1")->session);
  bed.Restart();
  CHECK(bed.State(id) == "dispatched ");
  bed.Connect("n1");
  bed.Reply(id, "running: true");
  REQUIRE(Bed::Eventually([&] { return bed.State(id) == "running "; }));
  bed.Reply(id, "completed: true events: 1203");
  REQUIRE(Bed::Eventually([&] { return bed.mail.text().find("close") != std::string::npos; }));
  bed.Restart();
  CHECK(bed.State(id) == "running ");
  REQUIRE(bed.store.Append(std::vector{Events(id, 1203)}).ok());
  bed.commits.Notify();
  REQUIRE(Bed::Eventually([&] { return bed.State(id) == "succeeded "; }));
  CHECK((*bed.tasks->Find(id))->nodes[0].events == 1203);
  const std::string open = fmt::format(
      "open_instance {{ task_id: \"{}\" unit: \"oom\" duration_ns: 10000000000 }}\n", id);
  CHECK(bed.mail.text() == open + open + "close_instance { task_id: \"" + id + "\" }\n");
}

TEST_CASE("a store that refuses: nothing is told before it is stored, and nothing is forgotten") {
  Bed bed;
  bed.Connect("n1");
  bed.task_store.refuses = true;
  CHECK(Message(bed.Make().status()) == "disk full");
  CHECK(bed.mail.text().empty());
  bed.task_store.refuses = false;
  const std::string id = bed.Make()->id;
  bed.Reply(id, "running: true");
  REQUIRE(Bed::Eventually([&] { return bed.State(id) == "running "; }));
  bed.task_store.refuses = true;
  const int before = bed.task_store.attempts;
  bed.Reply(id, "reason: \"it broke\"");
  REQUIRE(Bed::Eventually([&] { return bed.task_store.attempts > before; }));
  CHECK(bed.mail.text().find("close") == std::string::npos);
  bed.task_store.refuses = false;
  REQUIRE(Bed::Eventually([&] { return bed.mail.text().find("close") != std::string::npos; }));
  CHECK(bed.State(id) == "failed n1: it broke");
}

TEST_CASE("a task has ended when its profiles are stored") {
  Bed bed;
  bed.Connect("n1");
  const std::string id = bed.Make()->id;
  bed.Reply(id, "running: true");
  bed.Reply(id, "completed: true profiles: 2");
  ProfileCommit commit{
      .node = "n1", .epoch = "e", .high_water = 3, .uploaded_ns = 1, .profiles = {}, .gaps = {}};
  for (uint64_t i = 1; i <= 3; ++i) {
    NewProfile& profile = commit.profiles.emplace_back();
    profile.row.sequence = i;
    profile.row.id = std::to_string(i);
    profile.row.task_id = i == 2 ? "other" : id;
    profile.blob = "x";
  }
  REQUIRE(bed.profiles.Append(std::vector{commit}).ok());
  REQUIRE(Bed::Eventually([&] { return bed.State(id) == "succeeded "; }));
  CHECK((*bed.tasks->Find(id))->nodes[0].profiles == 2);
}

TEST_CASE("what a node has of tasks that are over is closed") {
  Bed bed;
  bed.Connect("n1");
  bed.Reply("stranger", "running: true");
  const std::string first = "close_instance { task_id: \"stranger\" }\n";
  REQUIRE(Bed::Eventually([&] { return bed.mail.text() == first; }));
  bed.nodes.Announce({.kind = NodeNews::Kind::kStatus, .node = "n1", .tasks = {"other"}});
  REQUIRE(Bed::Eventually(
      [&] { return bed.mail.text() == first + "close_instance { task_id: \"other\" }\n"; }));
}

// One of two processes on the bed's store. A save of either is news for both.
struct Side {
  Side(Bed& the_bed, CommitSignal& changed, bool turn)
      : bed(the_bed), nodes(the_bed.clock, the_bed.store) {
    auto started = Tasks::Start({bed.clock,
                                 bed.store.tasks(),
                                 bed.store,
                                 bed.profiles,
                                 nodes,
                                 bed.commits,
                                 registry,
                                 {&changed, [turn] { return turn; }}});
    REQUIRE(started.ok());
    tasks = std::move(*started);
    subscription = tasks->changed().Subscribe([this] { ++changes; });
  }
  void Connect(const std::string& node) {
    v1::Hello hello;
    hello.set_node(node);
    session = nodes.Connect(
        hello, [this](const v1::ToNode& message) { mail.Add(message); }, [] {});
    nodes.Update(node, session,
                 [](NodeState& state) { state.catalog = std::make_shared<const v1::Catalog>(); });
    nodes.Announce({.kind = NodeNews::Kind::kConnected, .node = node});
  }
  void Reply(const std::string& id, const std::string& rest) {
    NodeNews news{.kind = NodeNews::Kind::kReply, .node = "n1"};
    REQUIRE(google::protobuf::TextFormat::ParseFromString("task_id: \"" + id + "\" " + rest,
                                                          &news.reply));
    nodes.Announce(std::move(news));
  }
  std::string State(const std::string& id) const {
    const auto task = tasks->Find(id);
    REQUIRE(task.ok());
    return task->has_value() ? std::string(StateName((*task)->state)) + " " + (*task)->reason
                             : "none";
  }

  Bed& bed;
  Nodes nodes;
  prometheus::Registry registry;
  Mail mail;
  uint64_t session = 0;
  std::atomic<int> changes = 0;
  std::unique_ptr<Tasks> tasks;
  CommitSignal::Subscription subscription;
};

struct Pair {
  explicit Pair(bool turn_of_a = true) : a(bed, changed, turn_of_a), b(bed, changed, !turn_of_a) {
    bed.clock.wall_ns = 1'000'000'000;
    pulse = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        changed.Notify();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  ~Pair() {
    pulse = {};
    a.subscription.Reset();
    b.subscription.Reset();
  }
  std::string Make() {
    TaskSpec spec;
    spec.tool = "oom";
    spec.target.nodes = {"n1"};
    spec.duration_seconds = 10;
    const auto task = a.tasks->Create(spec, {{.node = "n1"}});
    REQUIRE(task.ok());
    return task->id;
  }
  bool Both(const std::string& id, const std::string& state) {
    return Bed::Eventually([&] { return a.State(id) == state && b.State(id) == state; });
  }

  Bed bed;
  CommitSignal changed;
  Side a;
  Side b;
  std::jthread pulse;
};

TEST_CASE("a task that is made in one process is done by the one that has the node") {
  Pair pair;
  pair.b.Connect("n1");
  const std::string id = pair.Make();
  REQUIRE(pair.Both(id, "dispatched "));
  pair.b.Reply(id, "running: true");
  REQUIRE(pair.Both(id, "running "));
  pair.b.Reply(id, "completed: true events: 7");
  REQUIRE(pair.bed.store.Append(std::vector{Events(id, 7)}).ok());
  pair.bed.commits.Notify();
  REQUIRE(pair.Both(id, "succeeded "));
  CHECK((*pair.a.tasks->Find(id))->nodes[0].events == 7);
  CHECK(pair.a.mail.text().empty());
  CHECK(pair.a.changes >= 3);
}

TEST_CASE("what one process cancels is closed by the other") {
  Pair pair;
  pair.b.Connect("n1");
  const std::string id = pair.Make();
  REQUIRE(pair.Both(id, "dispatched "));
  pair.b.Reply(id, "running: true");
  REQUIRE(pair.Both(id, "running "));
  // As told by the one that has the node.
  REQUIRE(pair.b.nodes.Flush().ok());
  REQUIRE(pair.a.nodes.Learn("n1", "b", {}, true).ok());
  REQUIRE(pair.a.tasks->Cancel(id).ok());
  const std::string close = "close_instance { task_id: \"" + id + "\" }\n";
  REQUIRE(Bed::Eventually([&] { return pair.b.mail.text().ends_with(close); }));
  CHECK(pair.a.State(id) == "running ");
  pair.b.Reply(id, "completed: true");
  REQUIRE(pair.Both(id, "cancelled "));
}

TEST_CASE("a node that moves takes its task with it; one that nobody has is waited for by one") {
  Pair pair(false);
  pair.a.Connect("n1");
  const std::string id = pair.Make();
  REQUIRE(pair.Both(id, "dispatched "));
  pair.a.Reply(id, "running: true");
  REQUIRE(pair.Both(id, "running "));
  pair.a.nodes.Disconnect("n1", pair.a.session);
  pair.b.Connect("n1");
  pair.b.nodes.Announce({.kind = NodeNews::Kind::kStatus, .node = "n1", .tasks = {id}});
  pair.bed.clock.boot_ns += 20'000'000'000;
  CHECK(pair.a.State(id) == "running ");
  pair.b.nodes.Disconnect("n1", pair.b.session);
  // When it has heard of that, some milliseconds later, it begins to wait.
  REQUIRE(Bed::Eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pair.bed.clock.boot_ns += 1'000'000'000;
    return pair.a.State(id) == "failed n1: the node was gone for 90 s";
  }));
  REQUIRE(pair.Both(id, "failed n1: the node was gone for 90 s"));
}

TEST_CASE("a task that another process has gone on with is left to it") {
  Bed bed;
  bed.Connect("n1");
  const Task task = *bed.Make();
  TaskRow row = **bed.store.tasks().Find(task.id);
  row.document.replace(row.document.find("dispatched"), 10, "running");
  REQUIRE(bed.store.tasks().Save(row).ok());
  bed.Reply(task.id, "reason: \"it broke\"");
  REQUIRE(Bed::Eventually([&] { return bed.State(task.id) == "running "; }));
  CHECK(bed.mail.text().find("close") == std::string::npos);
}

}  // namespace
}  // namespace huatuo
