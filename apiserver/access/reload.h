// Files that may change while the process runs: tokens, certificates and keys.
//
// One thread looks at them once a second. A file that cannot be used any more changes nothing: what
// was read last stays in force, which is logged once for each change of the file, and counted.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace prometheus {
class Registry;
}

namespace huatuo {

class Reloads {
 public:
  // `registry` must outlive this object.
  explicit Reloads(prometheus::Registry& registry,
                   std::chrono::milliseconds period = std::chrono::seconds(1));
  ~Reloads();

  // From now on `reload` is called, on the thread of this object, after one of `paths` has changed
  // since `Mark(paths)` was what it is given. `what`: a fixed word, for the log and the metric.
  void Watch(std::string what, std::vector<std::string> paths, std::string mark,
             std::function<absl::Status()> reload);

  // What changes when one of the files does, also when a link on the way leads elsewhere.
  static std::string Mark(const std::vector<std::string>& paths);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A value that is made of files, and made anew when they change. Thread-safe.
template <typename T>
class Live {
 public:
  // The error of the first `load`; it is called again by `reloads`, which must outlive the value.
  static absl::StatusOr<std::shared_ptr<Live>> Start(Reloads& reloads, const std::string& what,
                                                     const std::vector<std::string>& paths,
                                                     std::function<absl::StatusOr<T>()> load) {
    // Before it is read: a change in between is then read once more.
    std::string mark = Reloads::Mark(paths);
    absl::StatusOr<T> first = load();
    if (!first.ok()) return first.status();
    auto live = std::make_shared<Live>(*std::move(first));
    reloads.Watch(what, paths, std::move(mark), [live, load = std::move(load)]() -> absl::Status {
      absl::StatusOr<T> next = load();
      if (!next.ok()) return next.status();
      live->Set(*std::move(next));
      return absl::OkStatus();
    });
    return live;
  }

  // One that never changes.
  explicit Live(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  std::shared_ptr<const T> Get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  void Set(T value) {
    auto next = std::make_shared<const T>(std::move(value));
    const std::lock_guard lock(mutex_);
    value_.swap(next);
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace huatuo
