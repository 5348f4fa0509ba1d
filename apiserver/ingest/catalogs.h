// The catalogs that nodes have sent, by hash, and what each unit has come to mean.
//
// The first definition of a unit that is accepted is the cluster's; later ones may append to it.
// Both survive a restart (kinds "catalog" and "unit" of the FactStore). Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/store.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class Catalogs {
 public:
  explicit Catalogs(FactStore& facts) : facts_(facts) {}

  // Null when it is not known; Unavailable when the store does not answer.
  absl::StatusOr<std::shared_ptr<const v1::Catalog>> Find(const std::string& sha256);

  // Keeps a catalog that is serialized as `bytes`. InvalidArgument when the hash is another or
  // CheckCatalog refuses it.
  absl::StatusOr<std::shared_ptr<const v1::Catalog>> Add(const std::string& sha256,
                                                         std::string_view bytes);

  // The units of `catalog` that contradict what the cluster knows; the others become part of it.
  absl::StatusOr<std::vector<v1::RefusedUnit>> Merge(const v1::Catalog& catalog);

 private:
  absl::StatusOr<const v1::Unit*> Known(const std::string& name);
  absl::Status CheckFamilies(const v1::Unit& unit);
  absl::Status MergeUnit(const v1::Unit& unit);

  // A catalog is the same object for all nodes that have it, and goes with the last of them.
  struct Kept {
    std::weak_ptr<const v1::Catalog> catalog;
    // What Merge has said of it, which stays true: what a unit means only grows. A thousand nodes
    // that reconnect at once have one catalog.
    std::optional<std::vector<v1::RefusedUnit>> refused;
  };

  FactStore& facts_;
  std::mutex mutex_;
  std::map<std::string, Kept> cache_;
  std::map<std::string, v1::Unit> units_;
};

// Adds what `unit` appends to `known`, the definition so far. InvalidArgument, and `known`
// unchanged, when an event's fields are no prefix of each other or differ in kind, a metric changed
// its type, labels or buckets, or a profile its values.
absl::Status MergeUnits(const v1::Unit& unit, v1::Unit& known);

// Whether two units may exist beside each other: InvalidArgument when both declare a metric of one
// name with another type or other buckets.
absl::Status CheckTogether(const v1::Unit& one, const v1::Unit& other);

}  // namespace huatuo
