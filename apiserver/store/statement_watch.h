// Ends connections whose peer does not answer in time.
//
// A server's own time limit does not help when the server, or the network to it, has stopped. The
// thread that waits is woken by shutting its socket down: it then sees a broken connection.
// Thread-safe; outlives what it watches.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace huatuo {

class StatementWatch {
 public:
  explicit StatementWatch(std::chrono::milliseconds limit);

  // Shuts `socket` down when it lives for longer than the limit.
  class Guard {
   public:
    Guard(StatementWatch& watch, int socket);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    StatementWatch& watch_;
    const int socket_;
  };

 private:
  using Clock = std::chrono::steady_clock;

  void Run(const std::stop_token& stop);

  const std::chrono::milliseconds limit_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<int, Clock::time_point> deadlines_;  // by socket
  std::jthread thread_;
};

}  // namespace huatuo
