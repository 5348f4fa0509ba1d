#include "apiserver/tasks/open_task.h"

#include <algorithm>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Of one step of counting: some milliseconds.
constexpr size_t kRows = 500;
// Of a save while others save the same task.
constexpr int kRetries = 5;

}  // namespace

OpenTask::OpenTask(const TaskSources& sources, const TaskMachine& machine, Task task)
    : sources_(sources), machine_(machine), task_(std::move(task)) {
  if (task_.version > 0) stored_ = ToRow(task_).document;
}

bool OpenTask::On(std::string_view node) const {
  return std::any_of(task_.nodes.begin(), task_.nodes.end(),
                     [node](const TaskNode& one) { return one.node == node; });
}

void OpenTask::Note(const TaskNode& node, Tell tell) {
  if (tell != Tell::kNothing) untold_.emplace_back(node.node, tell);
}

void OpenTask::Begin() {
  machine_.Begin(task_, Now());
  for (TaskNode& node : task_.nodes) {
    node.ours = Ours(node.node);
    const std::optional<NodeState> state = sources_.nodes.Find(node.node);
    if (!state || !state->here || !state->catalog) continue;
    Note(node, machine_.Connected(task_, node, Now()));
  }
}

// Who has its stream goes on with a node; when nobody has, one does for all.
bool OpenTask::Ours(const std::string& node) const {
  if (sources_.sharing.changed == nullptr) return true;
  const Nodes::Place place = sources_.nodes.Where(node);
  return place == Nodes::Place::kHere ||
         (place == Nodes::Place::kNowhere && sources_.sharing.turn());
}

void OpenTask::Cancel() {
  for (TaskNode& node : task_.nodes) {
    if (!Ours(node.node))
      node.connected = sources_.nodes.Where(node.node) != Nodes::Place::kNowhere;
  }
  for (const std::string& node : machine_.Cancel(task_, Now())) {
    untold_.emplace_back(node, Tell::kClose);
  }
}

void OpenTask::Hear(const NodeNews& news) {
  TaskNode* node = FindNode(task_, news.node);
  if (node == nullptr) return;
  switch (news.kind) {
    case NodeNews::Kind::kConnected:
      return Note(*node, machine_.Connected(task_, *node, Now()));
    case NodeNews::Kind::kDisconnected:
      return machine_.Disconnected(task_, *node, Now());
    case NodeNews::Kind::kStatus: {
      const bool known =
          std::find(news.tasks.begin(), news.tasks.end(), task_.id) != news.tasks.end();
      return Note(*node, machine_.Reported(task_, *node, known, Now()));
    }
    case NodeNews::Kind::kReply:
      if (news.reply.task_id() != task_.id) return;
      return Note(*node, machine_.Replied(task_, *node, news.reply, Now()));
  }
}

void OpenTask::Passed() {
  for (TaskNode& node : task_.nodes) {
    const bool before = std::exchange(node.ours, Ours(node.node));
    if (!node.ours) continue;
    if (!before) {
      node.connected = sources_.nodes.Where(node.node) == Nodes::Place::kHere;
      machine_.TakeOver(task_, node, Now());
    }
    Note(node, machine_.Passed(task_, node, Now()));
  }
}

bool OpenTask::Awaits() const {
  return std::any_of(task_.nodes.begin(), task_.nodes.end(), [](const TaskNode& node) {
    return node.ours && node.completed && !Ended(node.state);
  });
}

bool OpenTask::CountEvents(const std::string& node, Counted& counted) const {
  EventFilter filter;
  filter.node = node;
  filter.task_id = task_.id;
  // A store that does not answer now is asked again at the next turn.
  const auto rows =
      sources_.events.Query(filter, Order::kOldestFirst, counted.event_position, kRows);
  if (!rows.ok() || rows->empty()) return false;
  counted.events += rows->size();
  counted.event_position = rows->back().position;
  return rows->size() == kRows;
}

// They come the newest first: down to the one that was counted last.
void OpenTask::CountProfiles(const std::string& node, Counted& counted) const {
  const ProfileFilter filter{.task_id = task_.id, .node = node};
  uint64_t found = 0;
  uint64_t newest = counted.profile_position;
  for (uint64_t before = 0;;) {
    const auto rows = sources_.profiles.Query(filter, before, kRows);
    if (!rows.ok()) return;
    for (const StoredProfile& row : *rows) {
      newest = std::max(newest, row.position);
      found += row.position > counted.profile_position ? 1 : 0;
    }
    if (rows->size() < kRows || rows->back().position <= counted.profile_position) break;
    before = rows->back().position;
  }
  counted.profiles += found;
  counted.profile_position = newest;
}

bool OpenTask::Count(bool ends_only) {
  bool more = false;
  for (TaskNode& node : task_.nodes) {
    if (!node.ours || Ended(node.state) || node.state == TaskState::kPending) continue;
    if (ends_only && !node.completed) continue;
    Counted& counted = counted_[node.node];
    more = CountEvents(node.node, counted) || more;
    CountProfiles(node.node, counted);
    machine_.Arrived(task_, node, counted.events, counted.profiles, Now());
  }
  return more;
}

absl::Status OpenTask::Join(const TaskRow& row) {
  ASSIGN_OR_RETURN(const Task stored, ParseTask(row));
  for (const std::string& node : machine_.Join(task_, stored, Now())) {
    untold_.emplace_back(node, Tell::kClose);
  }
  stored_ = row.document;
  return absl::OkStatus();
}

absl::Status OpenTask::Store() {
  TaskRow row = ToRow(task_);
  RETURN_IF_ERROR(sources_.store.Save(row));
  task_.position = row.position;
  task_.version = row.version;
  stored_ = std::move(row.document);
  return absl::OkStatus();
}

absl::StatusOr<bool> OpenTask::Save() {
  const bool changed = ToRow(task_).document != stored_;
  absl::Status saved = changed ? Store() : absl::OkStatus();
  const bool shared = sources_.sharing.changed != nullptr && task_.version > 0;
  for (int i = 0; i < kRetries && shared && absl::IsAborted(saved); ++i) {
    ASSIGN_OR_RETURN(const std::optional<TaskRow> row, sources_.store.Find(task_.id));
    if (!row) return saved;
    RETURN_IF_ERROR(Join(*row));
    saved = ToRow(task_).document == stored_ ? absl::OkStatus() : Store();
  }
  // Others store as often as we do: the next turn tries again.
  if (shared && absl::IsAborted(saved)) return Unavailable(Message(saved));
  RETURN_IF_ERROR(saved);
  for (const auto& [name, tell] : std::exchange(untold_, {})) {
    const TaskNode* node = FindNode(task_, name);
    sources_.nodes.Tell(name,
                        tell == Tell::kOpen ? OpenMessage(task_, *node) : CloseMessage(task_.id));
  }
  return changed;
}

}  // namespace huatuo
