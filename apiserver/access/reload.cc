#include "apiserver/access/reload.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <sys/stat.h>

#include <condition_variable>
#include <thread>

#include "common/log.h"
#include "common/status.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

struct Watched {
  std::string what;
  std::vector<std::string> paths;
  std::string mark;
  std::function<absl::Status()> reload;
};

}  // namespace

struct Reloads::State {
  State(prometheus::Registry& registry, std::chrono::milliseconds the_period)
      : reloads(prometheus::BuildCounter()
                    .Name("huatuo_apiserver_reloads_total")
                    .Help("Changed files that were read again, by what they are and by outcome: "
                          "used or refused.")
                    .Register(registry)),
        period(the_period) {}

  prometheus::Counter& Counter(const std::string& what, const char* outcome) {
    return reloads.Add({{"file", what}, {"outcome", outcome}});
  }
  void Run();
  void Look();
  void Reload(Watched& one);

  prometheus::Family<prometheus::Counter>& reloads;
  const std::chrono::milliseconds period;
  std::mutex mutex;  // of all below; held while files are read
  std::condition_variable wake;
  bool stop = false;
  std::vector<Watched> watched;
  std::thread thread;
};

void Reloads::State::Run() {
  NameThread("reload");
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, period, [this] { return stop; })) Look();
}

void Reloads::State::Look() {
  for (Watched& one : watched) {
    std::string mark = Mark(one.paths);
    if (mark == one.mark) continue;
    one.mark = std::move(mark);
    Reload(one);
  }
}

void Reloads::State::Reload(Watched& one) {
  const absl::Status status = one.reload();
  Counter(one.what, status.ok() ? "used" : "refused").Increment();
  if (status.ok()) return LogInfo(fmt::format("{}: changed, and read again", one.what));
  LogWarning(fmt::format("{}: changed, but what was read before stays in force: {}", one.what,
                         Message(status)));
}

Reloads::Reloads(prometheus::Registry& registry, std::chrono::milliseconds period)
    : state_(std::make_unique<State>(registry, period)) {
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
}

Reloads::~Reloads() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

void Reloads::Watch(std::string what, std::vector<std::string> paths, std::string mark,
                    std::function<absl::Status()> reload) {
  const std::lock_guard lock(state_->mutex);
  for (const char* outcome : {"used", "refused"}) state_->Counter(what, outcome);
  state_->watched.push_back(
      {std::move(what), std::move(paths), std::move(mark), std::move(reload)});
}

std::string Reloads::Mark(const std::vector<std::string>& paths) {
  std::string mark;
  for (const std::string& path : paths) {
    struct stat file = {};
    const int found = path.empty() ? -1 : stat(path.c_str(), &file);
    mark += found != 0 ? "none;"
                       : fmt::format("{}:{}:{}:{}.{};", file.st_dev, file.st_ino, file.st_size,
                                     file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
  }
  return mark;
}

}  // namespace huatuo
