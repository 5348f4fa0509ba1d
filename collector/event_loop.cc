#include "collector/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "common/clock.h"
#include "common/log.h"
#include "common/status.h"
#include "common/thread_name.h"

namespace huatuo {

EventLoop::EventLoop(Ring* ring, Containers& containers, Roster& roster, Pipeline& pipeline,
                     TaskLedger& ledger)
    : ring_(ring),
      containers_(containers),
      roster_(roster),
      pipeline_(pipeline),
      ledger_(ledger),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

EventLoop::~EventLoop() {
  Stop();
  close(wake_fd_);
  close(epoll_fd_);
}

absl::Status EventLoop::Start() {
  if (epoll_fd_ < 0 || wake_fd_ < 0) return ErrnoStatus(errno, "open the event loop's descriptors");
  for (const int fd : {wake_fd_, containers_.fd(), ring_ == nullptr ? -1 : ring_->poll_fd()}) {
    if (fd < 0) continue;
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
      return ErrnoStatus(errno, "watch a descriptor in the event loop");
    }
  }
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void EventLoop::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  Wake();
  thread_.join();
}

void EventLoop::Wake() {
  const uint64_t one = 1;
  // Full means that a wake-up is pending already.
  if (write(wake_fd_, &one, sizeof(one)) < 0 && errno != EAGAIN)
    LogError("event loop: cannot wake");
}

void EventLoop::ContainersChanged() {
  containers_changed_ = true;
  Wake();
}

// A descriptor that was closed has left the epoll set by itself; the number may come back.
void EventLoop::WatchUnits() {
  std::set<int> now;
  for (const int fd : roster_.Fds()) {
    now.insert(fd);
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (!watched_.contains(fd)) epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  }
  watched_ = std::move(now);
}

std::vector<uint32_t> EventLoop::Turn(int timeout_ms) {
  epoll_event events[16];
  const int count = epoll_wait(epoll_fd_, events, std::size(events), timeout_ms);
  for (int i = 0; i < count; ++i) {
    const int fd = events[i].data.fd;
    uint64_t ignored = 0;
    if (fd == wake_fd_) {
      if (read(wake_fd_, &ignored, sizeof(ignored)) > 0) WatchUnits();
    } else if (watched_.contains(fd)) {
      roster_.Ready(fd);
    }
  }
  std::vector<uint32_t> closing = ledger_.Closing();
  if (ring_ != nullptr) ring_->Drain();
  if (const absl::Status status = containers_.Drain(); !status.ok()) {
    LogWarning("containers: " + Message(status));
  }
  if (containers_changed_.exchange(false)) roster_.OnContainers();
  last_turn_ns_ = Clock::Real().BootNs();
  return closing;
}

// `closing` was read before a turn that drained the ring: all that its instances sent has arrived.
void EventLoop::FinishTasks(const std::vector<uint32_t>& closing) {
  for (const uint32_t instance : closing) {
    if (!pipeline_.Holds(instance)) ledger_.Finish(instance);
  }
}

void EventLoop::Run() {
  NameThread("events");
  WatchUnits();
  int timeout_ms = 0;
  while (!stop_) {
    const std::vector<uint32_t> closing = Turn(timeout_ms);
    timeout_ms = static_cast<int>(pipeline_.Turn().count());
    FinishTasks(closing);
  }
  const std::vector<uint32_t> closing = Turn(0);
  pipeline_.Flush();
  FinishTasks(closing);
}

}  // namespace huatuo
