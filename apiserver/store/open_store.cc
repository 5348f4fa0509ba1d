#include "apiserver/store/open_store.h"

#include <fmt/format.h>

#include <filesystem>

#include "apiserver/store/memory_profile_store.h"
#include "apiserver/store/memory_store.h"
#include "apiserver/store/postgres_profile_store.h"
#include "apiserver/store/postgres_store.h"
#include "apiserver/store/sqlite_profile_store.h"
#include "apiserver/store/sqlite_store.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// SQLite needs a few hundred KiB to open a file, and says "I/O error" when it does not get them.
bool Full(const std::string& folder) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  return !error && space.available < (1U << 20);
}

// The sqlite store S in `data_dir`, which is made when it does not exist.
template <typename S>
absl::StatusOr<std::unique_ptr<S>> OpenSqlite(const std::string& data_dir, std::string_view file) {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) return ErrnoStatus(error.value(), "create " + data_dir);
  absl::StatusOr<std::unique_ptr<S>> store = S::Open(fmt::format("{}/{}", data_dir, file));
  if (!store.ok() && Full(data_dir)) return Annotate(store.status(), "the disk is full");
  return store;
}

// The same as a pointer to what it is.
template <typename To, typename From>
absl::StatusOr<std::unique_ptr<To>> As(absl::StatusOr<std::unique_ptr<From>> store) {
  RETURN_IF_ERROR(store.status());
  return *std::move(store);
}

}  // namespace

absl::Status CheckPlace(const StorePlace& place) {
  if (place.kind == "memory" || place.kind == "sqlite") return absl::OkStatus();
  if (place.kind == "postgres") return ConnectString(place.postgres).status();
  return InvalidArgument(
      fmt::format("store: \"{}\": accepted are sqlite, postgres and memory", place.kind));
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const StorePlace& place) {
  RETURN_IF_ERROR(CheckPlace(place));
  if (place.kind == "memory") return std::make_unique<MemoryStore>();
  if (place.kind == "postgres") return As<Store>(PostgresStore::Open(place.postgres));
  return As<Store>(OpenSqlite<SqliteStore>(place.data_dir, "huatuo.db"));
}

absl::StatusOr<std::unique_ptr<ProfileStore>> OpenProfileStore(const StorePlace& place) {
  RETURN_IF_ERROR(CheckPlace(place));
  if (place.kind == "memory") return std::make_unique<MemoryProfileStore>();
  if (place.kind == "postgres") return As<ProfileStore>(PostgresProfileStore::Open(place.postgres));
  return As<ProfileStore>(OpenSqlite<SqliteProfileStore>(place.data_dir, "profiles.db"));
}

}  // namespace huatuo
