// The stores that the configuration names.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/postgres_options.h"
#include "apiserver/store/profile_store.h"
#include "apiserver/store/store.h"

namespace huatuo {

struct StorePlace {
  std::string kind;      // "memory", "sqlite" or "postgres"
  std::string data_dir;  // of sqlite: the files huatuo.db and profiles.db, which are made when they
                         // do not exist
  PostgresOptions postgres{};
};

// InvalidArgument when the kind, or the url of PostgreSQL, is none.
absl::Status CheckPlace(const StorePlace& place);

// Errors of CheckPlace and of the store that it names.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(const StorePlace& place);
absl::StatusOr<std::unique_ptr<ProfileStore>> OpenProfileStore(const StorePlace& place);

}  // namespace huatuo
