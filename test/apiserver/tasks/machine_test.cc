// The life of a task as text: each command and what it does, in machine.script.
//
//   > task nodes=a,b seconds=10       a new task of these nodes
//   > connected a | disconnected a    the node comes and goes
//   > running a                       it says that it runs
//   > ended a events=3 profiles=1 lost=2 | refused a reason=why
//   > reported a known=yes            its report has the task
//   > arrived a events=3 profiles=1   so much is stored
//   > pass 30                         so many seconds
//   > cancel | restart                restart: of the server, from what it has stored
#include "apiserver/tasks/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "common/status.h"

namespace huatuo {
namespace {

using Arguments = std::map<std::string, std::string>;

uint64_t Number(const Arguments& a, const std::string& key) {
  const auto found = a.find(key);
  return found == a.end() ? 0 : std::stoull(found->second);
}

v1::InstanceReply ReplyOf(const std::string& command, const Arguments& a) {
  v1::InstanceReply reply;
  reply.set_running(command == "running");
  reply.set_completed(command == "ended");
  reply.set_events(Number(a, "events"));
  reply.set_profiles(Number(a, "profiles"));
  reply.set_lost(Number(a, "lost"));
  if (a.contains("reason")) reply.set_reason(a.at("reason"));
  return reply;
}

class Play {
 public:
  std::string Run(const std::string& text) {
    std::istringstream in(text);
    std::string out;
    for (std::string line; std::getline(in, line);) {
      if (line.empty() || line[0] == '#') out += line + "\n";
      if (!line.starts_with("> ")) continue;
      out += line + "\n";
      std::istringstream words(line.substr(2));
      std::string command;
      words >> command;
      Arguments arguments;
      for (std::string word; words >> word;) {
        const size_t equal = word.find('=');
        if (equal == std::string::npos) arguments["node"] = word;
        if (equal != std::string::npos) arguments[word.substr(0, equal)] = word.substr(equal + 1);
      }
      told_.clear();
      Do(command, arguments);
      out += told_ + Line();
    }
    return out;
  }

 private:
  void Note(const std::string& node, Tell tell) {
    if (tell != Tell::kNothing) {
      told_ += fmt::format("tell {} {}\n", node, tell == Tell::kOpen ? "open" : "close");
    }
  }

  void Do(const std::string& command, const Arguments& a) {
    if (command == "task") return Begin(a);
    if (command == "pass") return Pass(std::stoll(a.at("node")));
    if (command == "restart") return Restart();
    if (command == "cancel") {
      for (const std::string& node : machine_.Cancel(task_, now_)) Note(node, Tell::kClose);
      return;
    }
    TaskNode& node = *FindNode(task_, a.at("node"));
    if (command == "connected") {
      Note(node.node, machine_.Connected(task_, node, now_));
    } else if (command == "disconnected") {
      machine_.Disconnected(task_, node, now_);
    } else if (command == "reported") {
      Note(node.node, machine_.Reported(task_, node, a.at("known") == "yes", now_));
    } else if (command == "arrived") {
      machine_.Arrived(task_, node, Number(a, "events"), Number(a, "profiles"), now_);
    } else {
      Note(node.node, machine_.Replied(task_, node, ReplyOf(command, a), now_));
    }
  }

  void Begin(const Arguments& a) {
    task_ = Task{};
    task_.id = "t";
    task_.spec.duration_seconds = static_cast<int64_t>(Number(a, "seconds"));
    task_.created_ns = now_.wall_ns;
    std::istringstream names(a.at("nodes"));
    for (std::string name; std::getline(names, name, ',');) task_.nodes.push_back({.node = name});
    machine_.Begin(task_, now_);
  }

  void Pass(int64_t seconds) {
    now_.wall_ns += seconds * 1'000'000'000;
    now_.boot_ns += seconds * 1'000'000'000;
    for (TaskNode& node : task_.nodes) Note(node.node, machine_.Passed(task_, node, now_));
  }

  void Restart() {
    const absl::StatusOr<Task> read = ParseTask(ToRow(task_));
    REQUIRE(read.ok());
    task_ = *read;
    machine_.Begin(task_, now_);
  }

  std::string Line() const {
    const auto reason = [](const std::string& why) { return why.empty() ? "" : " (" + why + ")"; };
    std::string out =
        fmt::format("{}{}:", std::string(StateName(task_.state)), reason(task_.reason));
    for (const TaskNode& node : task_.nodes) {
      out += fmt::format(" {} {}{}", node.node, std::string(StateName(node.state)),
                         reason(node.reason));
      if (node.completed) out += fmt::format(" {}+{}/{}", node.events, node.profiles, node.lost);
    }
    CHECK(Ended(task_.state) == (task_.ended_ns != 0));
    return out + "\n";
  }

  const TaskMachine machine_{TaskPatience{}};
  Task task_;
  Moment now_{1'795'000'000'000'000'000, 1'000'000'000'000};
  std::string told_;
};

}  // namespace

TEST_CASE("the life of a task") {
  std::ifstream in(TEST_DIR "/machine.script", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  REQUIRE(text.size() > 1000);
  CHECK(Play().Run(text) == text);
}

}  // namespace huatuo
