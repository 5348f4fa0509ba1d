#include "apiserver/ingest/catalogs.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/document.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string_view kCatalogKind = "catalog";
constexpr std::string_view kUnitKind = "unit";

constexpr std::string_view kOwnMetrics = "huatuo_apiserver_";

// The names under which the server itself tells of what is missing, and of itself.
absl::Status CheckReserved(const v1::Unit& unit) {
  for (const v1::EventType& event : unit.events()) {
    if (event.name() == "gap" || event.name() == "not_observed") {
      return InvalidArgument(fmt::format("event {}: a reserved name", event.name()));
    }
  }
  for (const v1::MetricType& metric : unit.metrics()) {
    if (metric.name().starts_with(kOwnMetrics)) {
      return InvalidArgument(fmt::format("metric {}: names that begin with {} are the server's own",
                                         metric.name(), kOwnMetrics));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const v1::Catalog>> Catalogs::Find(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  if (auto known = cache_[sha256].catalog.lock()) return known;
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes, facts_.Fact(kCatalogKind, Hex(sha256)));
  auto catalog = std::make_shared<v1::Catalog>();
  // A stored catalog that cannot be read is as good as none: the node sends it again.
  if (!bytes || !catalog->ParseFromString(*bytes) || !CheckCatalog(*catalog).ok()) {
    cache_.erase(sha256);
    return std::shared_ptr<const v1::Catalog>();
  }
  cache_[sha256] = {.catalog = catalog, .refused = {}};
  return std::shared_ptr<const v1::Catalog>(std::move(catalog));
}

absl::StatusOr<std::shared_ptr<const v1::Catalog>> Catalogs::Add(const std::string& sha256,
                                                                 std::string_view bytes) {
  if (Sha256(bytes) != sha256) return InvalidArgument("catalog: not the one of catalog_sha256");
  auto catalog = std::make_shared<v1::Catalog>();
  if (!catalog->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("catalog: cannot be parsed");
  }
  RETURN_IF_ERROR(Annotate(CheckCatalog(*catalog), "catalog"));
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(facts_.Put(kCatalogKind, Hex(sha256), bytes));
  std::erase_if(cache_, [](const auto& item) { return item.second.catalog.expired(); });
  cache_[sha256] = {.catalog = catalog, .refused = {}};
  return std::shared_ptr<const v1::Catalog>(std::move(catalog));
}

absl::StatusOr<std::vector<v1::RefusedUnit>> Catalogs::Merge(const v1::Catalog& catalog) {
  std::vector<v1::RefusedUnit> refused;
  const std::lock_guard lock(mutex_);
  const auto kept = std::find_if(cache_.begin(), cache_.end(), [&](const auto& item) {
    return item.second.catalog.lock().get() == &catalog;
  });
  if (kept != cache_.end() && kept->second.refused) return *kept->second.refused;
  for (const v1::Unit& unit : catalog.units()) {
    const absl::Status status = MergeUnit(unit);
    if (status.ok()) continue;
    if (status.code() != absl::StatusCode::kInvalidArgument) return status;
    refused.emplace_back().set_unit(unit.name());
    refused.back().set_reason(Message(status));
  }
  if (kept != cache_.end()) kept->second.refused = refused;
  return refused;
}

absl::StatusOr<const v1::Unit*> Catalogs::Known(const std::string& name) {
  const auto found = units_.find(name);
  if (found != units_.end()) return static_cast<const v1::Unit*>(&found->second);
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes, facts_.Fact(kUnitKind, name));
  v1::Unit unit;
  if (!bytes || !unit.ParseFromString(*bytes)) return static_cast<const v1::Unit*>(nullptr);
  return static_cast<const v1::Unit*>(&(units_[name] = std::move(unit)));
}

// A family has one type, whichever units have series of it.
absl::Status Catalogs::CheckFamilies(const v1::Unit& unit) {
  if (unit.metrics().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto facts, facts_.Facts(kUnitKind));
  for (const auto& [name, bytes] : facts) {
    v1::Unit other;
    if (name == unit.name() || !other.ParseFromString(bytes)) continue;
    RETURN_IF_ERROR(Annotate(CheckTogether(unit, other), "unit " + name));
  }
  return absl::OkStatus();
}

absl::Status Catalogs::MergeUnit(const v1::Unit& unit) {
  RETURN_IF_ERROR(CheckReserved(unit));
  ASSIGN_OR_RETURN(const v1::Unit* known, Known(unit.name()));
  v1::Unit merged;
  if (known != nullptr) merged = *known;
  merged.set_name(unit.name());
  const std::string before = known == nullptr ? "" : known->SerializeAsString();
  RETURN_IF_ERROR(MergeUnits(unit, merged));
  const std::string after = merged.SerializeAsString();
  if (after == before) return absl::OkStatus();
  RETURN_IF_ERROR(CheckFamilies(unit));
  RETURN_IF_ERROR(facts_.Put(kUnitKind, unit.name(), after));
  units_[unit.name()] = std::move(merged);
  return absl::OkStatus();
}

}  // namespace huatuo
