#include "apiserver/ingest/exemplars.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <catch2/catch.hpp>

#include "google/protobuf/text_format.h"

namespace huatuo {
namespace {

template <typename T>
T Parse(const std::string& text) {
  T message;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

std::string Show(const std::vector<ExemplarOf>& exemplars) {
  std::string out;
  for (const ExemplarOf& one : exemplars) {
    out += fmt::format("{} [{}] {} {} @{}\n", one.family, fmt::join(one.labels, " "),
                       one.exemplar.event_id, one.exemplar.value, one.exemplar.time_ns);
  }
  return out;
}

std::string Of(const std::string& type, const std::string& event) {
  std::vector<ExemplarOf> exemplars;
  AddExemplars(Parse<v1::EventType>(type),
               Parse<v1::Event>("tracer_id: \"0123456789abcdef\" time_ns: 5 " + event), exemplars);
  return Show(exemplars);
}

constexpr const char* kId = "30313233-3435-3637-3839-616263646566";

TEST_CASE("an event is an example of the families that count it") {
  const std::string delay = "name: 'sched_delay' fields { name: 'x' } fields { name: 'delay_ns' }";
  const std::string values = "values {} values { uint: 2500000 } ";
  CHECK(Of(delay, values) ==
        fmt::format("huatuo_node_runqueue_latency_seconds [] {} 0.0025 @5\n", kId));
  CHECK(Of(delay, values + "subjects { role: 'culprit' container { id: 'c2' } } "
                           "subjects { container { id: 'c1' } }") ==
        fmt::format("huatuo_node_runqueue_latency_seconds [] {0} 0.0025 @5\n"
                    "huatuo_container_runqueue_latency_seconds [container_id=\"c1\"] {0} 0.0025 "
                    "@5\n",
                    kId));
  CHECK(Of("name: 'net_rx_latency' fields { name: 'where' } fields { name: 'latency_ms' }",
           "values { text: 'TO_USER_COPY' } values { number: 12.5 }") ==
        fmt::format("huatuo_node_late_packets_total [where=\"TO_USER_COPY\"] {} 0.0125 @5\n", kId));
  CHECK(Of("name: 'memory_reclaim_events' fields { name: 'deltatime' }",
           "values { uint: 3000000000 }") ==
        fmt::format("huatuo_node_memory_direct_reclaim_seconds_total [] {} 3 @5\n", kId));
  CHECK(Of("name: 'fault_delay' fields { name: 'delay_ns' }",
           "values { uint: 2000000000 } subjects { container { id: 'c1' } }") ==
        fmt::format("huatuo_node_pressure_seconds_total [resource=\"io\" tasks=\"some\"] {0} 2 @5\n"
                    "huatuo_container_pressure_seconds_total [container_id=\"c1\" resource=\"io\" "
                    "tasks=\"some\"] {0} 2 @5\n",
                    kId));
}

TEST_CASE("what cannot be an example is none") {
  const std::string delay = "name: 'sched_delay' fields { name: 'delay_ns' }";
  CHECK(Of(delay, "values {}").empty());
  CHECK(Of(delay, "").empty());
  CHECK(Of(delay, "values { text: 'long' }").empty());
  CHECK(Of(delay, "values { number: nan }").empty());
  CHECK(Of(delay, "values { sint: -1 }").empty());
  CHECK(Of(delay, "values { uint: 1 } task_id: 't'").empty());
  CHECK(Of("name: 'oom' fields { name: 'delay_ns' }", "values { uint: 1 }").empty());
  CHECK(Of("name: 'net_rx_latency' fields { name: 'latency_ms' }", "values { number: 1 }").empty());
}

TEST_CASE("of many events the first are enough") {
  std::vector<ExemplarOf> exemplars;
  const auto type = Parse<v1::EventType>("name: 'sched_delay' fields { name: 'delay_ns' }");
  const auto event = Parse<v1::Event>("values { uint: 1 }");
  for (int i = 0; i < 100; ++i) AddExemplars(type, event, exemplars);
  CHECK(exemplars.size() == 32);
}

}  // namespace
}  // namespace huatuo
