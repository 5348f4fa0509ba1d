// How many ended tasks a store keeps; all else is in tasks.script.
#include "apiserver/store/memory_store.h"
#include "apiserver/store/postgres_store.h"
#include "apiserver/store/sqlite_store.h"
#include "test/apiserver/store/fixture.h"
#include "test/apiserver/store/postgres_server.h"

namespace huatuo {
namespace {

// "position id" of the first and last row that are left, and how many there are.
std::string Kept(Store& store) {
  constexpr auto kCount = static_cast<int64_t>(TaskStore::kMaxEnded) + 3;
  for (int64_t i = 0; i < kCount; ++i) {
    TaskRow row{.id = std::to_string(i), .tool = {}, .state = {}, .document = {}};
    // The newest one ended first, and one has not ended.
    row.ended_ns = i == 1 ? 0 : 2 * kCount - i;
    REQUIRE(store.tasks().Save(row).ok());
  }
  REQUIRE(store.Prune({}, 0).ok());
  const auto rows = Get(store.tasks().List({}, 0, SIZE_MAX));
  return fmt::format("{} to {}: {}", rows.back().id, rows.front().id, rows.size());
}

}  // namespace

TEST_CASE("so many ended tasks are kept, those that ended last") {
  MemoryStore memory;
  const std::string kept =
      fmt::format("0 to {}: {}", TaskStore::kMaxEnded, TaskStore::kMaxEnded + 1);
  CHECK(Kept(memory) == kept);
  const TempDir folder;
  const auto sqlite = Get(SqliteStore::Open(folder / "store.db"));
  CHECK(Kept(*sqlite) == kept);
}

TEST_CASE("[host] so many ended tasks are kept in postgres") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  // Ten thousand commits, of which none has to survive.
  const auto postgres = Get(PostgresStore::Open(server->NewPlace("-c synchronous_commit=off")));
  CHECK(Kept(*postgres) ==
        fmt::format("0 to {}: {}", TaskStore::kMaxEnded, TaskStore::kMaxEnded + 1));
}

}  // namespace huatuo
