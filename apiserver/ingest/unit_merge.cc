// What may change between two versions of a unit.
#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "apiserver/ingest/catalogs.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

using Fields = google::protobuf::RepeatedPtrField<v1::Field>;

template <typename Items>
auto FindNamed(Items& items, const std::string& name) -> decltype(&*items.begin()) {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const auto& item) { return item.name() == name; });
  return found == items.end() ? nullptr : &*found;
}

absl::Status MergeFields(const Fields& fields, Fields& known) {
  for (int i = 0; i < fields.size(); ++i) {
    if (i == known.size()) {
      *known.Add() = fields[i];
      continue;
    }
    if (fields[i].name() != known[i].name()) {
      return InvalidArgument(
          fmt::format("field {} is {}, elsewhere {}", i + 1, fields[i].name(), known[i].name()));
    }
    if (fields[i].type() != known[i].type()) {
      return InvalidArgument(fmt::format("field {} is {}, elsewhere {}", fields[i].name(),
                                         v1::Field::Type_Name(fields[i].type()),
                                         v1::Field::Type_Name(known[i].type())));
    }
    // The elements of a list are texts without fields and records with them.
    if (fields[i].type() == v1::Field::LIST &&
        fields[i].fields().empty() != known[i].fields().empty()) {
      return InvalidArgument(fmt::format("field {} lists something else", fields[i].name()));
    }
    RETURN_IF_ERROR(Annotate(MergeFields(fields[i].fields(), *known[i].mutable_fields()),
                             "field " + fields[i].name()));
  }
  return absl::OkStatus();
}

// But for the help.
template <typename Type>
bool Same(Type one, Type other) {
  one.clear_help();
  other.clear_help();
  return google::protobuf::util::MessageDifferencer::Equals(one, other);
}

}  // namespace

absl::Status MergeUnits(const v1::Unit& unit, v1::Unit& known) {
  v1::Unit merged = known;
  if (merged.help().empty()) merged.set_help(unit.help());
  for (const v1::EventType& event : unit.events()) {
    v1::EventType* same = FindNamed(*merged.mutable_events(), event.name());
    if (same == nullptr) {
      *merged.add_events() = event;
      continue;
    }
    RETURN_IF_ERROR(
        Annotate(MergeFields(event.fields(), *same->mutable_fields()), "event " + event.name()));
  }
  for (const v1::MetricType& metric : unit.metrics()) {
    const v1::MetricType* same = FindNamed(*merged.mutable_metrics(), metric.name());
    if (same == nullptr) {
      *merged.add_metrics() = metric;
    } else if (!Same(metric, *same)) {
      return InvalidArgument(
          fmt::format("metric {} is declared differently elsewhere", metric.name()));
    }
  }
  for (const v1::ProfileType& profile : unit.profiles()) {
    const v1::ProfileType* same = FindNamed(*merged.mutable_profiles(), profile.name());
    if (same == nullptr) {
      *merged.add_profiles() = profile;
    } else if (!Same(profile, *same)) {
      return InvalidArgument(
          fmt::format("profile {} is declared differently elsewhere", profile.name()));
    }
  }
  known = std::move(merged);
  return absl::OkStatus();
}

absl::Status CheckTogether(const v1::Unit& one, const v1::Unit& other) {
  for (const v1::MetricType& metric : one.metrics()) {
    const v1::MetricType* same = FindNamed(other.metrics(), metric.name());
    if (same == nullptr) continue;
    if (same->type() != metric.type() || same->first_bound() != metric.first_bound() ||
        same->buckets() != metric.buckets()) {
      return InvalidArgument(fmt::format("metric {} is a {} here, elsewhere a {}", metric.name(),
                                         v1::MetricType::Type_Name(metric.type()),
                                         v1::MetricType::Type_Name(same->type())));
    }
  }
  return absl::OkStatus();
}

}  // namespace huatuo
