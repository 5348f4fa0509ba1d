// One client that follows a task: its document now, after each change, and `end` when it has ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "apiserver/query/http.h"
#include "apiserver/query/http_counts.h"
#include "apiserver/tasks/tasks.h"

namespace huatuo {

class TaskWatch : public std::enable_shared_from_this<TaskWatch> {
 public:
  // `seen`: the version that the client has already; 0: none.
  TaskWatch(Tasks& tasks, HttpCounts& counts, std::string id, uint64_t seen)
      : tasks_(tasks), counts_(counts), id_(std::move(id)), seen_(seen) {}

  // Called once. Keeps itself alive until the stream is closed.
  void Start(std::shared_ptr<EventStream> stream);

 private:
  void OnStreamWake(EventStream::Wake wake);
  void Wake();
  void Pump();
  void Look();

  Tasks& tasks_;
  HttpCounts& counts_;
  const std::string id_;
  uint64_t seen_;                   // by Pump only
  bool ended_ = false;              // the end has been said; by Pump only
  std::atomic<uint64_t> wakes_{0};  // not zero: a Pump runs or will run
  std::shared_ptr<EventStream> stream_;
  CommitSignal::Subscription subscription_;
};

}  // namespace huatuo
