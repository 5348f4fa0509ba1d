// The gRPC face of ingest.
//
// Each stream has an exchange (Session, ProfileSession); messages come as bytes, so that one that
// cannot be parsed ends its stream with a reason like any other that breaks a rule. Once a second
// the server also sweeps the series and keeps changed nodes in the FactStore. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/access/certificates.h"
#include "apiserver/access/reload.h"
#include "apiserver/ingest/join_tokens.h"
#include "apiserver/ingest/known_issues.h"
#include "apiserver/ingest/node_meter.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/ingest/pod_waits.h"
#include "apiserver/ingest/writer.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/profile_store.h"
#include "apiserver/store/series.h"
#include "apiserver/store/store.h"
#include "common/clock.h"

namespace prometheus {
class Registry;
}

namespace huatuo {

struct IngestOptions {
  std::string listen = "127.0.0.1:12741";  // port 0: any free one
  // Null: no TLS. With a client CA every node must show a certificate of it whose common name or
  // one of whose DNS names is the node's name.
  std::shared_ptr<const Live<Certificates>> certificates = nullptr;
  std::shared_ptr<const Live<JoinTokens>> join_tokens = nullptr;  // null: nobody is asked for one
  size_t max_message_bytes = 4 << 20;
  size_t max_streams = 20'000;
  NodeRates rates;
  size_t grpc_memory_bytes = 0;               // of all streams; 0: any
  std::chrono::milliseconds silence{10'000};  // of a stream, from its beginning
  WriterOptions writer;
  PodWaitOptions pod_wait;
};

// What ingest writes to. Each must outlive the server.
struct IngestSinks {
  const Clock& clock;
  Appender& appender;
  ProfileAppender& profiles;
  FactStore& facts;
  Nodes& nodes;
  SeriesTable& series;
  CommitSignal& committed;  // notified after each commit of events
  prometheus::Registry& registry;
  const KnownIssues* issues = nullptr;  // null: nothing is known already
  const PodIndex* pods = nullptr;       // null: there is no cluster
};

class IngestServer {
 public:
  // InvalidArgument or the system's error, naming the option.
  static absl::StatusOr<std::unique_ptr<IngestServer>> Start(const IngestOptions& options,
                                                             const IngestSinks& sinks);
  ~IngestServer();

  // Where it listens, with the port it has been given.
  std::string address() const;

  // For /readyz: why ingest does not work, see CommitQueue::Stalled.
  std::optional<std::string> Stalled(int64_t boot_now_ns) const;

  // Ends all streams with UNAVAILABLE, commits what is queued, keeps the nodes. Idempotent.
  void Shutdown();

 private:
  struct State;
  explicit IngestServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
