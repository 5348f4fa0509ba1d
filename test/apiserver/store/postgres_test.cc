// What the store in PostgreSQL promises beyond the semantics that all stores share.
#include "apiserver/store/postgres.h"

#include <signal.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "apiserver/store/open_store.h"
#include "apiserver/store/postgres_profile_store.h"
#include "apiserver/store/postgres_store.h"
#include "apiserver/store/postgres_text.h"
#include "test/apiserver/store/postgres_server.h"

namespace huatuo {
namespace {

constexpr int64_t kDayNs = 86'400'000'000'000;

// Rows of a statement in `place`, fields by spaces.
std::string Ask(const PostgresOptions& place, const std::string& sql, size_t columns = 1) {
  StatementWatch watch(std::chrono::seconds(30));
  const auto session = Get(PgSession::Open(Get(ConnectString(place)), watch));
  const PgResult rows = Get(session->Once(sql));
  std::string out;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t column = 0; column < columns; ++column) {
      out += (column > 0 ? " " : "") + std::string(rows.Raw(row, column));
    }
    out += "\n";
  }
  return out;
}

std::string Partitions(const PostgresOptions& place) {
  return Ask(place,
             "SELECT name, rows FROM partition WHERE kind = 'event' AND "
             "to_regclass(name) IS NOT NULL ORDER BY day",
             2);
}

NodeCommit OnDay(int64_t day, uint64_t first, uint64_t last) {
  NodeCommit commit = MakeCommit("n", first, last);
  commit.uploaded_ns = day * kDayNs + 5;
  return commit;
}

uint64_t Put(Store& store, const NodeCommit& commit) { return Get(store.Append({&commit, 1})); }

std::string Code(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }

}  // namespace

TEST_CASE("any bytes are a text of PostgreSQL and come back") {
  const std::string all = "a\\\"'{},\n\t";
  for (const std::string& text :
       {std::string(), all, std::string("n\0l", 3), std::string("\xff\xfe"), std::string("\\x41"),
        std::string("\xc3\xa9")}) {
    CHECK(DecodeText(EncodeText(text)) == text);
  }
  CHECK(EncodeText("\xc3\xa9") == "\xc3\xa9");
  CHECK(EncodeText(std::string("a\0", 2)) == "\\x6100");
  CHECK(EncodeText("\\x41") == "\\x5c783431");
  CHECK(TextArray(std::vector<std::string>{"a", "", "\"\\,"}) == R"({"a","","\"\\,"})");
  CHECK(IntArray(std::vector<int64_t>{1, -2}) == "{1,-2}");
}

TEST_CASE("a url is checked before anything connects, and no password stays in it") {
  PostgresOptions options;
  options.url = "postgresql://u@127.0.0.1:1/d?sslmode=require";
  CHECK(Get(ConnectString(options)).find("sslmode='require'") != std::string::npos);
  const std::string refused =
      "postgres.url: holds a password: accepted are postgres.password_file, PGPASSFILE and "
      "PGPASSWORD";
  for (const char* url : {"postgresql://u:secret@h/d", "host=h password=secret"}) {
    options.url = url;
    CHECK(Message(ConnectString(options).status()) == refused);
    CHECK(Message(CheckPlace({"postgres", "", options})) == refused);
  }
  options.url = "nonsense secret";
  CHECK(Message(ConnectString(options).status()) ==
        "postgres.url: accepted is postgresql://user@host:port/database?key=value or key=value "
        "words of libpq");
  const TempDir folder;
  options.url = "host=h";
  options.password_file = folder / "password";
  CHECK(Message(ConnectString(options).status()) ==
        "postgres.password_file " + options.password_file + ": no line in it");
}

TEST_CASE("a password comes from its file, at each connect") {
  const TempDir folder;
  PostgresOptions options;
  options.url = "host=h";
  options.password_file = folder / "password";
  for (const std::string password : {"it's \\ one", "another"}) {
    std::ofstream(options.password_file) << password << "\nsecond line\n";
    const std::string text = Get(ConnectString(options));
    CHECK(text.find(password == "another" ? "password='another'" : R"(password='it\'s \\ one')") !=
          std::string::npos);
  }
}

TEST_CASE("without a server a store is unavailable") {
  PostgresOptions options;
  options.url = "host=127.0.0.1 port=1 user=nobody";
  CHECK(Code(PostgresStore::Open(options).status()) == "UNAVAILABLE");
}

TEST_CASE("[host] each day has a partition, and retention drops it") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  const auto store = Get(PostgresStore::Open(place));
  Put(*store, OnDay(0, 1, 3));
  Put(*store, OnDay(-1, 4, 4));
  Put(*store, OnDay(20000, 5, 9));
  CHECK(Partitions(place) == "event_19691231 1\nevent_19700101 3\nevent_20241004 5\n");
  CHECK(Get(store->Prune({kDayNs, 0}, 2 * kDayNs)) == 4);
  CHECK(Partitions(place) == "event_20241004 5\n");
  CHECK(Sequences(All(*store)) == "5 events, 5 to 9");
  CHECK(Put(*store, OnDay(20001, 10, 10)) == 1);

  // By size the oldest day goes whole.
  const uint64_t bytes = Get(store->Use()).bytes;
  CHECK(Get(store->Prune({0, bytes - 1}, 0)) == 5);
  CHECK(Partitions(place) == "event_20241005 1\n");
}

TEST_CASE("[host] a reader that keeps a partition postpones retention, and appends go on") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  const auto store = Get(PostgresStore::Open(place));
  Put(*store, OnDay(0, 1, 3));
  Put(*store, OnDay(9, 4, 6));
  StatementWatch watch(std::chrono::seconds(60));
  const auto reader = Get(PgSession::Open(Get(ConnectString(place)), watch));
  auto snapshot = std::make_unique<PgTransaction>(
      Get(PgTransaction::Begin(*reader, PgTransaction::Kind::kSnapshot)));
  CHECK(Get(reader->Once("SELECT count(*) FROM event")).Int(0, 0) == 6);
  CHECK(Code(store->Prune({kDayNs, 0}, 5 * kDayNs).status()) == "UNAVAILABLE");
  CHECK(Put(*store, OnDay(9, 7, 8)) == 2);
  snapshot.reset();
  CHECK(Get(store->Prune({kDayNs, 0}, 5 * kDayNs)) == 3);
}

TEST_CASE("[host] what is sent to two apiservers at a time is stored once") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  std::vector<std::unique_ptr<PostgresStore>> stores;
  for (int i = 0; i < 3; ++i) stores.push_back(Get(PostgresStore::Open(place)));
  std::atomic<uint64_t> added = 0;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (auto& store : stores) {
      threads.emplace_back([&store, &added, &failed] {
        for (uint64_t s = 0; s < 600; s += 20) {
          const NodeCommit commit = MakeCommit("n", s + 1, s + 20);
          const auto count = store->Append({&commit, 1});
          if (count.ok()) added += *count;
          if (!count.ok()) ++failed;
        }
      });
    }
  }
  CHECK(failed == 0);
  CHECK(added == 600);
  CHECK(Sequences(All(*stores[0])) == "600 events, 1 to 600");
  CHECK(Get(stores[2]->Newest()) == 600);
}

TEST_CASE("[host] positions reach a reader in their order, whoever commits") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  const auto reader = Get(PostgresStore::Open(place));
  std::atomic<int> failed = 0;
  std::vector<std::jthread> threads;
  for (int w = 0; w < 3; ++w) {
    threads.emplace_back([&place, &failed, w] {
      const auto store = Get(PostgresStore::Open(place));
      for (uint64_t s = 0; s < 1000; s += 5) {
        // Commits that take longer than others.
        const NodeCommit commit =
            MakeCommit(fmt::format("n{}", w), s + 1, s + 5, s % 3 == 0 ? 20000 : 10);
        if (!store->Append({&commit, 1}).ok()) ++failed;
      }
    });
  }
  uint64_t after = 0;
  while (after < 3000 && failed == 0) {
    for (const StoredEvent& row : Get(reader->Query({}, Order::kOldestFirst, after, 50))) {
      REQUIRE(row.position == after + 1);
      after = row.position;
    }
  }
  CHECK(failed == 0);
}

TEST_CASE("[host] of several that start at a time one makes the tables") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  std::atomic<int> opened = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { opened += PostgresStore::Open(place).ok() ? 1 : 0; });
    }
  }
  CHECK(opened == 4);
  CHECK(Ask(place, "SELECT version FROM huatuo_schema") == "1\n2\n");
  Ask(place, "INSERT INTO huatuo_schema VALUES(99)");
  CHECK(Message(PostgresStore::Open(place).status()) ==
        "postgres: the tables were made by a newer version (schema 99, this one knows 2): start "
        "that version, or name another database");
}

TEST_CASE("[host] people find documents as jsonb") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  const auto store = Get(PostgresStore::Open(place));
  NodeCommit commit = MakeCommit("n", 1, 3);
  commit.events[0].document = R"({"tracer_data":{"pid": 42}})";
  commit.events[1].document = "no json";
  commit.events[2].document = R"({"a":"\u0000"})";
  Put(*store, commit);
  CHECK(Ask(place,
            "SELECT sequence, coalesce(document->'tracer_data'->>'pid', '-') FROM event_json "
            "ORDER BY 1",
            2) == "1 42\n2 -\n3 -\n");
}

TEST_CASE("[host] a crash of the server: what was acknowledged is there, and the store goes on") {
  if (PostgresServer::Shared() == nullptr) return;
  PostgresServer server;
  const PostgresOptions place = server.NewPlace();
  const auto store = Get(PostgresStore::Open(place));
  const auto profiles = Get(PostgresProfileStore::Open(place));
  CHECK(Put(*store, MakeCommit("n", 1, 500)) == 500);
  CHECK(Get(profiles->Use()).profiles == 0);
  server.Crash();
  const NodeCommit next = MakeCommit("n", 401, 600);
  CHECK(Code(store->Append({&next, 1}).status()) == "UNAVAILABLE");
  CHECK(Code(store->Newest().status()) == "UNAVAILABLE");
  CHECK(Code(store->tasks().Find("t").status()) == "UNAVAILABLE");
  CHECK(Code(profiles->Use().status()) == "UNAVAILABLE");
  server.Start();
  CHECK(Get(store->Newest()) == 500);
  CHECK(Get(profiles->Use()).profiles == 0);
  CHECK(Put(*store, next) == 100);
  CHECK(Sequences(All(*store)) == "600 events, 1 to 600");
}

TEST_CASE("[host] sessions that the server ended are not used again") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  const PostgresOptions place = server->NewPlace();
  const auto store = Get(PostgresStore::Open(place));
  Put(*store, MakeCommit("n", 1, 5));
  Ask(place,
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
      "WHERE pid != pg_backend_pid() AND backend_type = 'client backend'");
  CHECK(Put(*store, MakeCommit("n", 6, 9)) == 4);
}

TEST_CASE("[host] a server that has stopped does not keep a thread for ever") {
  if (PostgresServer::Shared() == nullptr) return;
  PostgresServer server;
  PostgresOptions place = server.NewPlace();
  // Long enough for an honest statement on a busy machine.
  place.timeout = std::chrono::seconds(3);
  const auto store = Get(PostgresStore::Open(place));
  Put(*store, MakeCommit("n", 1, 5));
  server.Signal(SIGSTOP);
  const NodeCommit next = MakeCommit("n", 6, 9);
  CHECK(Code(store->Append({&next, 1}).status()) == "UNAVAILABLE");
  server.Signal(SIGCONT);
  CHECK(Put(*store, next) == 4);
}

TEST_CASE("[host] a statement that takes too long is ended by the server") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  PostgresOptions place = server->NewPlace();
  place.timeout = std::chrono::milliseconds(200);
  StatementWatch watch(std::chrono::seconds(30));
  const auto session = Get(PgSession::Open(Get(ConnectString(place)), watch));
  CHECK(Message(session->Once("SELECT pg_sleep(20)").status()) ==
        "postgres: ERROR:  canceling statement due to statement timeout");
  CHECK(session->broken());
}

}  // namespace huatuo
