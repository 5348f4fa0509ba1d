// An ingest without transport: what a session needs, with a store that can refuse.
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apiserver/ingest/session.h"
#include "apiserver/store/memory_store.h"
#include "common/id.h"
#include "common/status.h"
#include "google/protobuf/text_format.h"

namespace huatuo {

template <typename T>
T Parse(const std::string& text) {
  T message;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

class AtomicClock : public Clock {
 public:
  int64_t WallNs() const override { return wall_ns; }
  int64_t BootNs() const override { return boot_ns; }
  std::atomic<int64_t> wall_ns = 0;
  std::atomic<int64_t> boot_ns = 0;
};

// Forwards to a store unless it is told to refuse.
class MoodyAppender : public Appender {
 public:
  explicit MoodyAppender(Appender& store) : store_(store) {}
  absl::StatusOr<uint64_t> Append(std::span<const NodeCommit> commits) override {
    std::unique_lock lock(mutex_);
    ++attempts_;
    changed_.notify_all();
    if (!refusal_.ok()) return refusal_;
    lock.unlock();
    for (const NodeCommit& commit : commits) {
      for (const EventRow& row : commit.events) {
        if (row.tracer_name == poison) return InvalidArgument("poison: not storable");
      }
    }
    return store_.Append(commits);
  }
  absl::StatusOr<uint64_t> HighWater(std::string_view node, std::string_view epoch) override {
    const std::lock_guard lock(mutex_);
    if (!unreadable_.ok()) return unreadable_;
    return store_.HighWater(node, epoch);
  }
  void Refuse(absl::Status status) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(status);
  }
  void Unreadable(absl::Status status) {
    const std::lock_guard lock(mutex_);
    unreadable_ = std::move(status);
  }
  // Waits until Append has been called `count` more times.
  void AwaitAttempts(uint64_t count) {
    std::unique_lock lock(mutex_);
    const uint64_t until = attempts_ + count;
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return attempts_ >= until; }));
  }
  std::string poison;  // set before use

 private:
  Appender& store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t attempts_ = 0;
  absl::Status refusal_;
  absl::Status unreadable_;
};

struct Bench {
  explicit Bench(WriterOptions options = {.first_pause = std::chrono::milliseconds(1),
                                          .longest_pause = std::chrono::milliseconds(4)})
      : writer(std::make_unique<Writer>(appender, committed, metrics, clock, options)) {}

  Shared shared() {
    return {.clock = clock,
            .appender = appender,
            .catalogs = catalogs,
            .nodes = nodes,
            .series = series,
            .writer = *writer,
            .metrics = metrics,
            .issues = &issues};
  }
  // The value of a counter or gauge of our own, summed over its labels that match.
  double Own(const std::string& name, const std::string& label = "") const {
    double sum = 0;
    for (const auto& family : registry.Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        if (!label.empty() && metric.label.at(0).value != label) continue;
        sum += metric.counter.value + metric.gauge.value;
      }
    }
    return sum;
  }
  // "sequence tracer_name" of what is stored, oldest first.
  std::string Stored(const std::string& node = "") {
    EventFilter filter;
    filter.node = node;
    std::string out;
    const auto events = store.Query(filter, Order::kOldestFirst, 0, 100'000);
    REQUIRE(events.ok());
    for (const StoredEvent& event : *events) {
      out += event.node + " " + std::to_string(event.row.sequence) + " " + event.row.tracer_name +
             "\n";
    }
    return out;
  }

  // Of node "a", the newest first.
  std::string Rejected() {
    const auto rows = store.Rejected("a", 10);
    REQUIRE(rows.ok());
    std::string out;
    for (const RejectedRow& row : *rows) {
      out += std::to_string(row.sequence) + " " + row.reason + "\n";
    }
    return out;
  }

  AtomicClock clock;
  MemoryStore store;
  MoodyAppender appender{store};
  prometheus::Registry registry;
  IngestMetrics metrics{registry};
  CommitSignal committed;
  Catalogs catalogs{store};
  Nodes nodes{clock, store};
  KnownIssues issues{store, registry};
  SeriesTable series{clock, 1000};
  std::unique_ptr<Writer> writer;
};

inline v1::Catalog TestCatalog() {
  return Parse<v1::Catalog>(R"(
    units { name: "oom" help: "Killed."
      events { name: "oom" fields { name: "victim_pid" type: UINT } fields { name: "score" type: DOUBLE } }
      metrics { name: "huatuo_node_oom_kills_total" type: COUNTER } }
    units { name: "netdev_events" events { name: "netdev_events" fields { name: "ifname" type: TEXT } } })");
}

inline v1::Hello TestHello(const std::string& node = "a",
                           const v1::Catalog& catalog = TestCatalog()) {
  v1::Hello hello;
  hello.set_protocol(1);
  hello.set_node(node);
  hello.set_region("eu");
  hello.set_catalog_sha256(Sha256(catalog.SerializeAsString()));
  hello.set_epoch("0123456789abcdef");
  hello.set_next_sequence(1);
  return hello;
}

inline v1::FromNode HelloMessage(const v1::Hello& hello) {
  v1::FromNode message;
  *message.mutable_hello() = hello;
  return message;
}

inline v1::FromNode CatalogMessage(const v1::Catalog& catalog = TestCatalog()) {
  v1::FromNode message;
  *message.mutable_catalog() = catalog;
  return message;
}

// Events [first, last] of the unit oom, with ids of this node.
inline v1::FromNode Events(uint64_t first, uint64_t last, const std::string& node = "a") {
  v1::FromNode message;
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    v1::Entry& entry = *message.mutable_entries()->add_entries();
    entry.set_sequence(sequence);
    entry.mutable_event()->set_tracer_id(Sha256(node + std::to_string(sequence)).substr(0, 16));
    entry.mutable_event()->set_time_ns(static_cast<int64_t>(sequence) * 1'000'000'000);
    entry.mutable_event()->add_values()->set_uint(4242);
  }
  return message;
}

// The node's end of a session; everything that the server says as one line of text.
class Node {
 public:
  explicit Node(Bench& bench) : Node(bench.shared()) {}
  explicit Node(const Shared& shared) : mail_(std::make_shared<Mail>()) {
    const auto mail = mail_;
    session = Session::Start(
        shared,
        {.send = [mail](const v1::ToNode& message) { mail->Add(message.ShortDebugString()); },
         .end = [mail](const absl::Status& status) { mail->Add("end: " + status.ToString()); },
         .resume = [mail] { mail->Add("resume"); },
         .allow = {}});
  }
  // "read", "pause" or the status.
  std::string Say(const v1::FromNode& message) { return SayBytes(message.SerializeAsString()); }
  std::string SayBytes(const std::string& bytes) {
    const auto next = session->Receive(bytes);
    if (!next.ok()) return next.status().ToString();
    return *next == Session::Next::kRead ? "read" : "pause";
  }
  // Hello and catalog; forgets what the server answered. Returns the high-water mark it told.
  uint64_t Join(const v1::Hello& hello = TestHello()) {
    REQUIRE(Say(HelloMessage(hello)) == "read");
    std::string heard = Heard();
    const auto welcome = Parse<v1::ToNode>(heard.substr(0, heard.find('\n'))).welcome();
    if (welcome.catalog_needed()) {
      REQUIRE(Say(CatalogMessage()) == "read");
      Heard();
    }
    return welcome.high_water();
  }
  // What has been said since the last call, one message a line.
  std::string Heard() { return mail_->Take(); }
  // Waits until a line that contains `text` has come; then what Heard says.
  std::string Await(const std::string& text) { return mail_->Await(text); }

  std::shared_ptr<Session> session;

 private:
  struct Mail {
    void Add(const std::string& line) {
      const std::lock_guard lock(mutex);
      lines += line + "\n";
      changed.notify_all();
    }
    std::string Take() {
      const std::lock_guard lock(mutex);
      return std::exchange(lines, "");
    }
    std::string Await(const std::string& text) {
      std::unique_lock lock(mutex);
      const bool came = changed.wait_for(lock, std::chrono::seconds(20),
                                         [&] { return lines.find(text) != std::string::npos; });
      INFO("waits for " << text << ", heard " << lines);
      REQUIRE(came);
      return std::exchange(lines, "");
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::string lines;
  };
  std::shared_ptr<Mail> mail_;
};

}  // namespace huatuo
