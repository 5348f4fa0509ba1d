// The exchange of the rpc Connect: Hello, Welcome, the catalog when it is asked for, then entries,
// metrics and states in any order.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "apiserver/ingest/catalogs.h"
#include "apiserver/ingest/claims.h"
#include "apiserver/ingest/entries.h"
#include "apiserver/ingest/exchange.h"
#include "apiserver/ingest/ingest_metrics.h"
#include "apiserver/ingest/known_issues.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/ingest/pod_waits.h"
#include "apiserver/ingest/writer.h"
#include "apiserver/store/series.h"
#include "common/clock.h"

namespace huatuo {

// What all sessions share. Each must outlive them.
struct Shared {
  const Clock& clock;
  Appender& appender;
  Catalogs& catalogs;
  Nodes& nodes;
  SeriesTable& series;
  Writer& writer;
  IngestMetrics& metrics;
  const KnownIssues* issues = nullptr;  // null: nothing is known already
  PodWaits* waits = nullptr;            // null: there is no cluster
  Claims* claims = nullptr;             // null: no other apiserver shares the store
};

using Wire = WireOf<v1::ToNode>;

class Session : public Exchange, public std::enable_shared_from_this<Session> {
 public:
  static std::shared_ptr<Session> Start(const Shared& shared, Wire wire);
  // The stream is over: the node is no longer connected, its series age.
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // One v1::FromNode as bytes. Not thread-safe.
  absl::StatusOr<Next> Receive(std::string_view bytes) override;

 private:
  Session(const Shared& shared, Wire wire);

  absl::StatusOr<Next> Dispatch(const v1::FromNode& message, std::string_view bytes);
  absl::Status CheckOrder(v1::FromNode::MessageCase kind);
  absl::Status OnHello(const v1::Hello& hello);
  absl::Status OnCatalog(std::string_view bytes);
  absl::Status UseCatalog(std::shared_ptr<const v1::Catalog> catalog);
  absl::StatusOr<Next> OnEntries(const v1::EntryBatch& batch);
  absl::StatusOr<Next> Take(const v1::EntryBatch& batch, bool from_stream);
  void OnStatus(const v1::NodeStatus& status);
  void Passed(v1::FromNode::MessageCase kind, int64_t ns);
  void Refused(const absl::Status& status);
  Next Relieve(Pressure pressure, bool may_pause);
  void OnRoom();

  const Shared shared_;
  const Wire wire_;
  v1::Hello hello_;
  uint64_t session_ = 0;  // 0: before Hello
  uint64_t claim_ = 0;    // 0: none
  uint64_t high_water_ = 0;
  std::shared_ptr<const v1::Catalog> catalog_;
  std::optional<EntryReader> entries_;    // of one batch at a time
  std::shared_ptr<PodWaits::Line> line_;  // null: there is no cluster
  std::atomic<bool> fenced_ = false;
  std::mutex mutex_;
  bool slowed_ = false;  // the node was told to slow down
  bool paused_ = false;
};

}  // namespace huatuo
