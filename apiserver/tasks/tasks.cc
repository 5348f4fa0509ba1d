#include "apiserver/tasks/tasks.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "apiserver/tasks/open_task.h"
#include "apiserver/tasks/task_metrics.h"
#include "common/id.h"
#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

// How often the clock is looked at and progress is counted while a task is open.
constexpr std::chrono::milliseconds kTurn{1000};

}  // namespace

struct Tasks::State {
  State(const TaskSources& the_sources, const TaskLimits& the_limits)
      : sources(the_sources),
        limits(the_limits),
        machine(the_limits.patience),
        metrics(the_sources.registry) {}

  absl::Status Load();
  void Run();
  bool Turn(bool progress);
  void Hear(const NodeNews& news);
  void HearOfStrangers(const NodeNews& news);
  bool IsOpen(const std::string& id, const std::string& node);
  absl::Status Look();
  absl::Status LookAt(const TaskRow& row, bool& changed);
  void LookForOthers();
  void Store(std::map<std::string, OpenTask>::iterator& at);
  absl::Status CheckLimits(const TaskSpec& spec, const std::vector<TaskNode>& nodes);
  absl::Status Refuse(std::string_view limit, const std::string& reason);
  void Wake();

  const TaskSources sources;
  const TaskLimits limits;
  const TaskMachine machine;
  TaskMetrics metrics;
  CommitSignal changed;

  std::mutex mutex;  // of `open`
  std::map<std::string, OpenTask> open;
  bool store_failed = false;         // and this was said
  std::atomic<bool> awaits = false;  // something announced has not arrived

  std::mutex inbox_mutex;  // taken with `mutex` held, or alone
  std::condition_variable news_came;
  std::deque<NodeNews> inbox;
  bool woken = false;
  bool look = false;  // others may have changed tasks in the store
  bool stop = false;
  CommitSignal::Subscription subscription;
  CommitSignal::Subscription others;
  std::thread thread;
};

absl::Status Tasks::State::Load() {
  ASSIGN_OR_RETURN(const std::vector<TaskRow> rows,
                   sources.store.List({.open = true, .state = {}, .tool = {}}, 0, SIZE_MAX));
  for (const TaskRow& row : rows) {
    absl::StatusOr<Task> task = ParseTask(row);
    if (!task.ok()) {
      LogError(Message(task.status()));
      continue;
    }
    open.try_emplace(row.id, sources, machine, std::move(*task)).first->second.Begin();
  }
  metrics.open.Set(static_cast<double>(open.size()));
  return absl::OkStatus();
}

void Tasks::State::Wake() {
  const std::lock_guard lock(inbox_mutex);
  woken = true;
  news_came.notify_one();
}

absl::Status Tasks::State::LookAt(const TaskRow& row, bool& changed) {
  const auto found = open.find(row.id);
  if (found != open.end() && found->second.task().version >= row.version) return absl::OkStatus();
  if (found != open.end()) {
    changed = true;
    return found->second.Join(row);
  }
  ASSIGN_OR_RETURN(Task task, ParseTask(row));
  if (Ended(task.state)) return absl::OkStatus();
  changed = true;
  open.try_emplace(row.id, sources, machine, std::move(task)).first->second.Begin();
  return absl::OkStatus();
}

// What other processes have made of the tasks.
absl::Status Tasks::State::Look() {
  ASSIGN_OR_RETURN(const std::vector<TaskRow> rows,
                   sources.store.List({.open = true, .state = {}, .tool = {}}, 0, SIZE_MAX));
  std::set<std::string> ids;
  bool any = false;
  for (const TaskRow& row : rows) {
    ids.insert(row.id);
    RETURN_IF_ERROR(LookAt(row, any));
  }
  // An end that is ours alone so far is saved at the next turn.
  any = std::erase_if(open, [&](const auto& item) { return !ids.contains(item.first); }) > 0 || any;
  if (any) changed.Notify();
  return absl::OkStatus();
}

void Tasks::State::LookForOthers() {
  const absl::Status status = Look();
  if (status.ok()) return;
  metrics.store_errors.Increment();
  if (!std::exchange(store_failed, true)) LogWarning("tasks: " + Message(status));
}

void Tasks::State::Run() {
  NameThread("tasks");
  auto next = std::chrono::steady_clock::now() + kTurn;
  bool more = true;
  bool idle = false;
  while (true) {
    std::deque<NodeNews> news;
    bool look_now = false;
    {
      std::unique_lock lock(inbox_mutex);
      const auto came = [this] { return stop || woken || look || !inbox.empty(); };
      if (idle) {
        news_came.wait(lock, came);
      } else if (!more) {
        news_came.wait_until(lock, next, came);
      }
      if (stop) return;
      woken = false;
      look_now = std::exchange(look, false);
      news.swap(inbox);
    }
    const std::lock_guard lock(mutex);
    if (look_now) LookForOthers();
    for (const NodeNews& one : news) Hear(one);
    const auto now = std::chrono::steady_clock::now();
    const bool due = now >= next;
    if (due) next = now + kTurn;
    more = Turn(due);
    idle = open.empty();
  }
}

void Tasks::State::Hear(const NodeNews& news) {
  HearOfStrangers(news);
  for (auto& [id, task] : open) task.Hear(news);
}

// What a node has of a task that is over, or was never ours, it is told to close.
void Tasks::State::HearOfStrangers(const NodeNews& news) {
  const auto close = [&](const std::string& id) {
    if (!IsOpen(id, news.node)) sources.nodes.Tell(news.node, CloseMessage(id));
  };
  for (const std::string& id : news.tasks) close(id);
  if (news.kind == NodeNews::Kind::kReply) close(news.reply.task_id());
}

bool Tasks::State::IsOpen(const std::string& id, const std::string& node) {
  auto found = open.find(id);
  if (found == open.end() && sources.sharing.changed != nullptr) {
    // Another process has begun it, and we have not heard of it yet; or we cannot know now.
    if (!Look().ok()) return true;
    found = open.find(id);
  }
  return found != open.end() && found->second.On(node);
}

bool Tasks::State::Turn(bool progress) {
  bool more = false;
  bool waits = false;
  for (auto at = open.begin(); at != open.end();) {
    OpenTask& task = at->second;
    if (progress || task.Awaits()) more = task.Count(!progress) || more;
    task.Passed();
    waits = task.Awaits() || waits;
    Store(at);
  }
  awaits = waits;
  metrics.open.Set(static_cast<double>(open.size()));
  return more;
}

// Goes on to the next one; an ended task leaves with the change that ended it.
void Tasks::State::Store(std::map<std::string, OpenTask>::iterator& at) {
  const absl::StatusOr<bool> saved = at->second.Save();
  if (!saved.ok()) {
    metrics.store_errors.Increment();
    if (!std::exchange(store_failed, true)) LogWarning("tasks: " + Message(saved.status()));
    // Another process has gone on with it.
    at = absl::IsAborted(saved.status()) ? open.erase(at) : std::next(at);
    return;
  }
  store_failed = false;
  const Task& task = at->second.task();
  const bool ended = Ended(task.state);
  if (ended) {
    LogInfo(fmt::format("task {}: {} {}{}{}", task.id, task.spec.tool, StateName(task.state),
                        task.reason.empty() ? "" : ": ", task.reason));
    metrics.ended.Add({{"tool", task.spec.tool}, {"state", std::string(StateName(task.state))}})
        .Increment();
  }
  at = ended ? open.erase(at) : std::next(at);
  if (*saved) changed.Notify();
}

absl::Status Tasks::State::Refuse(std::string_view limit, const std::string& reason) {
  metrics.refused.Add({{"limit", std::string(limit)}}).Increment();
  return ResourceExhausted(reason);
}

absl::Status Tasks::State::CheckLimits(const TaskSpec& spec, const std::vector<TaskNode>& nodes) {
  if (open.size() >= limits.in_total) {
    return Refuse("in_total",
                  fmt::format("{} tasks are open, which is the limit", limits.in_total));
  }
  for (const TaskNode& node : nodes) {
    size_t of_node = 0;
    size_t of_tool = 0;
    for (const auto& [id, task] : open) {
      if (!task.On(node.node)) continue;
      ++of_node;
      of_tool += task.task().spec.tool == spec.tool ? 1 : 0;
    }
    if (of_tool >= limits.of_tool) {
      return Refuse("of_tool", fmt::format("node {}: {} tasks of the tool {} are open, which is "
                                           "the limit",
                                           node.node, limits.of_tool, spec.tool));
    }
    if (of_node >= limits.of_node) {
      return Refuse("of_node", fmt::format("node {}: {} tasks are open, which is the limit",
                                           node.node, limits.of_node));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tasks>> Tasks::Start(const TaskSources& sources,
                                                    const TaskLimits& limits) {
  auto state = std::make_unique<State>(sources, limits);
  RETURN_IF_ERROR(state->Load());
  return std::unique_ptr<Tasks>(new Tasks(std::move(state)));
}

Tasks::Tasks(std::unique_ptr<State> state) : state_(std::move(state)) {
  State& s = *state_;
  s.sources.nodes.Listen(this, [&s](const NodeNews& news) {
    const std::lock_guard lock(s.inbox_mutex);
    // A newer report takes the place of an older one, so that a slow store costs bounded memory.
    const bool status = news.kind == NodeNews::Kind::kStatus;
    std::erase_if(s.inbox, [&](const NodeNews& old) {
      return status && old.kind == NodeNews::Kind::kStatus && old.node == news.node;
    });
    s.inbox.push_back(news);
    s.news_came.notify_one();
  });
  s.subscription = s.sources.committed.Subscribe([&s] {
    if (s.awaits) s.Wake();
  });
  if (s.sources.sharing.changed != nullptr) {
    s.others = s.sources.sharing.changed->Subscribe([&s] {
      const std::lock_guard lock(s.inbox_mutex);
      s.look = true;
      s.news_came.notify_one();
    });
  }
  s.thread = std::thread([&s] { s.Run(); });
}

Tasks::~Tasks() {
  state_->sources.nodes.Listen(this, {});
  state_->subscription.Reset();
  state_->others.Reset();
  {
    const std::lock_guard lock(state_->inbox_mutex);
    state_->stop = true;
    state_->news_came.notify_one();
  }
  state_->thread.join();
}

absl::StatusOr<Task> Tasks::Create(TaskSpec spec, std::vector<TaskNode> nodes) {
  State& s = *state_;
  const int64_t now_ns = s.sources.clock.WallNs();
  Task task;
  task.id = UuidText(NewUuid7(now_ns));
  task.spec = std::move(spec);
  task.created_ns = now_ns;
  task.nodes = std::move(nodes);
  const std::lock_guard lock(s.mutex);
  RETURN_IF_ERROR(s.CheckLimits(task.spec, task.nodes));
  OpenTask made(s.sources, s.machine, std::move(task));
  made.Begin();
  RETURN_IF_ERROR(made.Save().status());
  const Task copy = made.task();
  s.metrics.created.Add({{"tool", copy.spec.tool}}).Increment();
  s.open.try_emplace(copy.id, std::move(made));
  s.Wake();
  s.changed.Notify();
  return copy;
}

absl::StatusOr<Task> Tasks::Cancel(const std::string& id) {
  State& s = *state_;
  {
    const std::lock_guard lock(s.mutex);
    auto found = s.open.find(id);
    if (found != s.open.end()) {
      found->second.Cancel();
      Task copy = found->second.task();
      s.Store(found);
      return copy;
    }
  }
  ASSIGN_OR_RETURN(const std::optional<Task> ended, Find(id));
  if (!ended) return NotFound(fmt::format("no task has the id {}", id));
  if (ended->state == TaskState::kCancelled) return *ended;
  return FailedPrecondition(
      fmt::format("the task has ended: {}", std::string(StateName(ended->state))));
}

absl::StatusOr<std::optional<Task>> Tasks::Find(const std::string& id) {
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->open.find(id);
    if (found != state_->open.end()) return found->second.task();
  }
  ASSIGN_OR_RETURN(const std::optional<TaskRow> row, state_->sources.store.Find(id));
  if (!row) return std::optional<Task>();
  ASSIGN_OR_RETURN(Task task, ParseTask(*row));
  return task;
}

absl::StatusOr<std::vector<Task>> Tasks::List(const TaskFilter& filter, uint64_t before,
                                              size_t limit) {
  ASSIGN_OR_RETURN(const std::vector<TaskRow> rows,
                   state_->sources.store.List(filter, before, limit));
  std::vector<Task> tasks;
  for (const TaskRow& row : rows) {
    ASSIGN_OR_RETURN(Task task, ParseTask(row));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

CommitSignal& Tasks::changed() { return state_->changed; }

}  // namespace huatuo
