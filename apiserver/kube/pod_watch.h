// Keeps a PodIndex as the API server has it: one list in chunks, then watches, each from where the
// one before ended.
//
// A cut connection, also one in the middle of a line, is taken up again without a list. A list is
// needed when the server no longer knows the version to go on from (410, as status or as event),
// refused it five times in a row, or sent what cannot be understood. After a failure it waits,
// longer each time, or as long as the server says. Failures are logged once, until something else
// happens.
//
// One thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/kube/backoff.h"
#include "apiserver/kube/kube_metrics.h"
#include "apiserver/kube/pod_messages.h"
#include "apiserver/kube/transport.h"
#include "apiserver/pods/pod_index.h"
#include "common/clock.h"

namespace huatuo {

struct PodWatchOptions {
  std::vector<std::string> annotations;  // that pods are known with
  size_t page_pods = 250;                // of one chunk of a list; less when they are too large
  size_t max_page_bytes = 64 << 20;
  size_t max_line_bytes = 4 << 20;  // etcd takes objects of 1.5 MiB
  std::chrono::milliseconds silence{30'000};
  // That a watch is asked to last, and up to half more of it.
  std::chrono::seconds watch_time{240};
  BackoffOptions backoff;
};

class PodWatch {
 public:
  // Begins at once. Everything must outlive it.
  PodWatch(std::unique_ptr<Transport> transport, PodIndex& index, KubeMetrics& metrics,
           const Clock& clock, PodWatchOptions options = {});
  ~PodWatch();
  // Whether the first list is complete, after waiting for it for so long at most.
  bool AwaitList(std::chrono::milliseconds patience);
  PodWatch(const PodWatch&) = delete;
  PodWatch& operator=(const PodWatch&) = delete;

 private:
  void Run();
  absl::Status List();
  absl::Status Watch();
  absl::Status ReadLines();
  absl::Status Open(const std::string& target);
  absl::StatusOr<PodPage> Page(const std::string& next);
  absl::StatusOr<std::string> Body(size_t max_bytes);
  absl::Status Apply(std::string_view line);
  absl::Status Take(PodChange change);
  void Failed(const absl::Status& status);
  void Well(const std::string& what);
  bool Pause(std::chrono::milliseconds time);

  const std::unique_ptr<Transport> transport_;
  PodIndex& index_;
  KubeMetrics& metrics_;
  const Clock& clock_;
  const PodWatchOptions options_;
  Backoff backoff_;
  size_t page_pods_;
  int refusals_ = 0;               // of the server, in a row
  std::string version_;            // to go on from; empty: a list is needed
  std::string cause_ = "start";    // why a list is needed
  std::chrono::seconds asked_{0};  // how long the server wants to be left alone
  std::string failure_ = "new";    // that was logged; empty: all is well
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  bool listed_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace huatuo
