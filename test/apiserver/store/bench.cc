// How fast a store is: `store_bench sqlite FILE ROWS`, or `store_bench postgres URL ROWS` with an
// empty database, appends rows with documents of about 1 KB, 1,000 a transaction, and asks each
// kind of query 200 times, or for 10 s. With SQLite it waits for the text index before. With
// PostgreSQL each batch is also copied into a table without indexes, which is what the store is
// measured against.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <numeric>
#include <random>

#include "apiserver/store/filter.h"
#include "apiserver/store/postgres.h"
#include "apiserver/store/postgres_store.h"
#include "apiserver/store/postgres_text.h"
#include "apiserver/store/sqlite_store.h"
#include "apiserver/store/subjects.h"
#include "common/id.h"
#include "common/status.h"

namespace huatuo {
namespace {

std::mt19937_64 g_random(1);

uint64_t Below(uint64_t n) { return g_random() % n; }

double Seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string ContainerId(uint64_t n) { return fmt::format("{:016x}{:048x}", n * 2654435761U, n); }

EventRow MakeEvent(uint64_t s) {
  static const char* const kTracers[] = {"oom", "softlockup", "dropwatch", "sched_delay"};
  const uint64_t c = Below(1000);
  EventRow e{s,
             UuidText(NewUuid7(static_cast<int64_t>(s) * 1000000)),
             kTracers[Below(4)],
             "",
             static_cast<int64_t>(s) * 1000000,
             {},
             ""};
  e.subjects = {{"", ContainerId(c), "main", fmt::format("ns{}", c % 20), fmt::format("pod-{}", c),
                 fmt::format("{:08x}-uid", c)}};
  e.document = fmt::format(
      R"({{"tracer_name":"{}","tracer_id":"{}","container_id":"{}","tracer_data":{{"stack":")",
      e.tracer_name, e.tracer_id, ContainerId(c));
  while (e.document.size() < 1000) e.document += fmt::format("function_{:x}\\n", Below(20000));
  e.document += "\"}}";
  return e;
}

// Times of one kind of batch.
class Batches {
 public:
  void Add(double seconds) { seconds_.push_back(seconds); }
  void Print(std::string_view what) {
    std::sort(seconds_.begin(), seconds_.end());
    const double sum = std::accumulate(seconds_.begin(), seconds_.end(), 0.0);
    fmt::print("{}: {:.0f} rows/s, a batch of 1000: p50 {:.1f} ms, max {:.1f} ms\n", what,
               1000 * static_cast<double>(seconds_.size()) / sum,
               seconds_[seconds_.size() / 2] * 1e3, seconds_.back() * 1e3);
  }

 private:
  std::vector<double> seconds_;
};

// COPY of the same rows into a table without indexes, committed.
class RawCopy {
 public:
  explicit RawCopy(const PostgresOptions& options)
      : watch_(std::chrono::minutes(1)),
        session_(*PgSession::Open(*ConnectString(options), watch_)) {
    if (!session_->Once("CREATE TABLE raw(LIKE event)").ok()) std::abort();
  }

  void Run(const NodeCommit& commit) {
    auto transaction = PgTransaction::Begin(*session_, PgTransaction::Kind::kWrite);
    const auto fill = [&](size_t i, std::array<std::string, 12>& fields) {
      const EventRow& event = commit.events[i];
      fields = {std::to_string(event.sequence),
                std::to_string(event.sequence),
                std::to_string(event.tracer_time_ns),
                std::to_string(commit.uploaded_ns),
                std::to_string(event.document.size()),
                EncodeText(event.tracer_id),
                EncodeText(event.tracer_name),
                EncodeText(event.task_id),
                EncodeText(commit.node),
                IntArray(PostingsOf(event, commit.node)),
                EncodeText(SubjectsText(event.subjects)),
                EncodeText(event.document)};
    };
    if (!session_->Copy<12>("raw", kColumns, commit.events.size(), fill).ok()) std::abort();
    if (!transaction->Commit().ok()) std::abort();
  }

 private:
  static constexpr std::array kColumns = {"position", "sequence",  "tracer_time_ns", "uploaded_ns",
                                          "bytes",    "tracer_id", "tracer_name",    "task_id",
                                          "node",     "postings",  "subjects",       "document"};

  StatementWatch watch_;
  std::unique_ptr<PgSession> session_;
};

template <typename F>
double Time(const F& call) {
  const double begin = Seconds();
  call();
  return Seconds() - begin;
}

void Append(Store& store, uint64_t rows, RawCopy* raw) {
  Batches appends;
  Batches copies;
  for (uint64_t s = 0; s < rows; s += 1000) {
    NodeCommit commit{
        fmt::format("node-{}", (s / 1000) % 100), "e", s + 1000, static_cast<int64_t>(s), {}, {}};
    for (uint64_t i = 1; i <= 1000; ++i) commit.events.push_back(MakeEvent(s + i));
    appends.Add(Time([&] {
      if (!store.Append({&commit, 1}).ok()) std::abort();
    }));
    if (raw != nullptr) copies.Add(Time([&] { raw->Run(commit); }));
  }
  appends.Print("append");
  if (raw != nullptr) copies.Print("raw COPY");
}

void Ask(Store& store, std::string_view name, Order order,
         const std::function<EventFilter()>& make) {
  std::vector<double> times;
  size_t rows = 0;
  const double start = Seconds();
  while (times.size() < 200 && Seconds() - start < 10) {
    const EventFilter filter = make();
    const double begin = Seconds();
    const auto found = store.Query(filter, order, 0, 100);
    times.push_back(Seconds() - begin);
    rows += found.ok() ? found->size() : 0;
  }
  std::sort(times.begin(), times.end());
  fmt::print("{:32} p50 {:7.2f} ms  p99 {:7.2f} ms  {:.1f} rows  {} times\n", name,
             times[times.size() / 2] * 1e3, times[(times.size() * 99 - 1) / 100] * 1e3,
             static_cast<double>(rows) / static_cast<double>(times.size()), times.size());
}

void Count(Store& store, std::string_view name, const EventFilter& filter, uint64_t rows) {
  std::vector<double> times;
  uint64_t events = 0;
  for (int i = 0; i < 20; ++i) {
    const double begin = Seconds();
    const auto counts = store.Count(filter, static_cast<int64_t>(rows) * 1000000 / 60);
    times.push_back(Seconds() - begin);
    if (!counts.ok()) std::abort();
    for (const EventCount& count : *counts) events += count.events;
  }
  std::sort(times.begin(), times.end());
  fmt::print("{:32} p50 {:7.2f} ms  max {:7.2f} ms  {} events\n", name, times[10] * 1e3,
             times[19] * 1e3, events / 20);
}

void CountAll(Store& store, uint64_t rows) {
  EventFilter filter;
  filter.from_ns = 0;
  filter.to_ns = static_cast<int64_t>(rows) * 1000000 + 1000000;
  Count(store, "count: all", filter, rows);
  filter.node = "node-7";
  Count(store, "count: one node", filter, rows);
  filter.node.clear();
  filter.tracer = "oom";
  Count(store, "count: one tracer", filter, rows);
  filter.tracer.clear();
  filter.pod = "pod-77";
  Count(store, "count: one pod", filter, rows);
  filter.pod.clear();
  filter.namespace_name = "ns7";
  Count(store, "count: one namespace", filter, rows);
  filter.namespace_name.clear();
  filter.text = "function_4d\\n";
  Count(store, "count: a word", filter, rows);
}

void AskAll(Store& store, uint64_t rows) {
  using F = EventFilter;
  const auto set = [](auto field, auto value) {
    return [=] {
      F filter;
      filter.*field = value();
      return filter;
    };
  };
  Ask(store, "newest 100", Order::kNewestFirst, [] { return F(); });
  Ask(store, "one tracer", Order::kNewestFirst, set(&F::tracer, [] { return "oom"; }));
  Ask(store, "no such tracer", Order::kNewestFirst, set(&F::tracer, [] { return "none"; }));
  Ask(store, "one pod", Order::kNewestFirst,
      set(&F::pod, [] { return fmt::format("pod-{}", Below(1000)); }));
  Ask(store, "container id prefix, oldest", Order::kOldestFirst,
      set(&F::container, [] { return ContainerId(Below(1000)).substr(0, 12); }));
  Ask(store, "one second of the past", Order::kNewestFirst, [rows] {
    F filter;
    filter.from_ns = static_cast<int64_t>(Below(rows)) * 1000000;
    filter.to_ns = *filter.from_ns + 1000000000;
    return filter;
  });
  Ask(store, "namespace, tracer, old half", Order::kNewestFirst, [rows] {
    F filter;
    filter.namespace_name = fmt::format("ns{}", Below(20));
    filter.tracer = "oom";
    filter.to_ns = static_cast<int64_t>(rows) * 500000;
    return filter;
  });
  Ask(store, "text: rare word", Order::kNewestFirst,
      set(&F::text, [] { return fmt::format("FUNCTION_{:x}\\n", Below(20000)); }));
  Ask(store, "text: two words", Order::kNewestFirst, set(&F::text, [] {
        return fmt::format("function_{:x}\\n function_{:x}\\n", Below(20000), Below(20000));
      }));
  Ask(store, "text: in no row", Order::kNewestFirst, set(&F::text, [] { return "zzzqqq"; }));
  Ask(store, "text: in every row", Order::kNewestFirst, set(&F::text, [] { return "container"; }));
  Ask(store, "text: two letters, in no row", Order::kNewestFirst,
      set(&F::text, [] { return "zq"; }));
}

void AskAndPrune(Store& store, uint64_t rows) {
  fmt::print("{:.0f} bytes a row\n",
             static_cast<double>(store.Use()->bytes) / static_cast<double>(rows));
  AskAll(store, rows);
  CountAll(store, rows);
  const double begin = Seconds();
  const uint64_t half = store.Use()->bytes / 2;
  const auto went = store.Prune({0, half}, 0);
  if (!went.ok()) std::abort();
  fmt::print("prune to half: {} rows in {:.1f} s, {:.2f} of the limit\n", *went, Seconds() - begin,
             static_cast<double>(store.Use()->bytes) / static_cast<double>(half));
}

int OfSqlite(const std::string& file, uint64_t rows) {
  auto store = SqliteStore::Open(file);
  if (!store.ok()) return 1;
  Append(**store, rows, nullptr);
  const double begin = Seconds();
  if (!(*store)->AwaitIndex().ok()) return 1;
  fmt::print("index caught up {:.1f} s after the last append\n", Seconds() - begin);
  AskAndPrune(**store, rows);
  return 0;
}

int OfPostgres(const std::string& url, uint64_t rows) {
  PostgresOptions options;
  options.url = url;
  auto store = PostgresStore::Open(options);
  if (!store.ok()) {
    fmt::print("{}\n", Message(store.status()));
    return 1;
  }
  RawCopy raw(options);
  Append(**store, rows, &raw);
  // What autovacuum does within a minute.
  StatementWatch watch(std::chrono::minutes(1));
  const auto session = PgSession::Open(*ConnectString(options), watch);
  if (!session.ok() || !(*session)->Once("VACUUM ANALYZE event").ok()) return 1;
  AskAndPrune(**store, rows);
  return 0;
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (argc != 4) return 2;
  const uint64_t rows = std::stoull(arguments[3]);
  return arguments[1] == "postgres" ? huatuo::OfPostgres(arguments[2], rows)
                                    : huatuo::OfSqlite(arguments[2], rows);
}
