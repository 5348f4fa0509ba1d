#include "apiserver/store/statement_watch.h"

#include <sys/socket.h>

namespace huatuo {

StatementWatch::StatementWatch(std::chrono::milliseconds limit)
    : limit_(limit), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

StatementWatch::Guard::Guard(StatementWatch& watch, int socket) : watch_(watch), socket_(socket) {
  const std::lock_guard lock(watch_.mutex_);
  watch_.deadlines_[socket_] = Clock::now() + watch_.limit_;
}

StatementWatch::Guard::~Guard() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.deadlines_.erase(socket_);
}

// Looks a few times within the limit instead of being told of each statement, which would cost more
// than a short statement does.
void StatementWatch::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, limit_ / 8, [] { return false; });
    const Clock::time_point now = Clock::now();
    for (auto& [socket, deadline] : deadlines_) {
      if (now >= deadline) shutdown(socket, SHUT_RDWR);
    }
  }
}

}  // namespace huatuo
