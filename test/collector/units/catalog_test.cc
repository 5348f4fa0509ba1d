#include "collector/catalog.h"

#include <catch2/catch.hpp>
#include <set>

#include "collector/decode/decoder.h"
#include "common/document.h"
#include "common/status.h"

namespace huatuo {
namespace {

TEST_CASE("the catalog of this build is one that a server accepts") {
  const absl::Status status = CheckCatalog(MakeCatalog(AllUnits()));
  CHECK((status.ok() ? "ok" : Message(status)) == "ok");
}

TEST_CASE("every unit says what it is, how it runs, and what each field means") {
  for (const Unit* unit : AllUnits()) {
    INFO(unit->name);
    CHECK_FALSE(unit->help.empty());
    CHECK_FALSE(unit->mechanisms.empty());
    for (const EventType& event : unit->events) {
      for (const Field& field : event.fields) CHECK(field.name.empty() == field.help.empty());
    }
    for (const MetricType& metric : unit->metrics) CHECK(metric.name.starts_with("huatuo_"));
  }
}

TEST_CASE("counters and only counters end in _total") {
  for (const Unit* unit : AllUnits()) {
    for (const MetricType& metric : unit->metrics) {
      INFO(metric.name);
      CHECK((metric.type == v1::MetricType::COUNTER) == metric.name.ends_with("_total"));
    }
  }
}

TEST_CASE("every family has a source, and every source has families") {
  for (const Unit* unit : AllUnits()) {
    std::set<const MetricSource*> used;
    for (const MetricType& metric : unit->metrics) {
      INFO(metric.name);
      const MetricSource* const source = SourceOf(unit->sources, metric.name);
      REQUIRE(source != nullptr);
      CHECK_FALSE(source->from.empty());
      used.insert(source);
    }
    INFO(unit->name);
    CHECK(used.size() == unit->sources.size());
  }
}

TEST_CASE("what makes two events the same are fields that are known when they are compared") {
  for (const Unit* unit : AllUnits()) {
    for (const EventType& event : unit->events) {
      INFO(event.name);
      CHECK((event.same.empty() || event.complete == nullptr));
      for (const std::string_view name : event.same) CHECK(ValueIndex(event, name) >= 0);
    }
  }
}

// A member that stands twice in a table, in place of another of its size, would build.
TEST_CASE("no two fields of one event read the same member") {
  for (const Unit* unit : AllUnits()) {
    for (const EventType& event : unit->events) {
      std::set<const void*> seen;
      for (const Field& field : event.fields) {
        if (field.bytes == 0 || field.read == nullptr) continue;
        INFO(event.name << "." << field.name);
        CHECK(seen.insert(reinterpret_cast<const void*>(field.read)).second);
      }
    }
  }
}

}  // namespace
}  // namespace huatuo
