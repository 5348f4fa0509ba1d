#include "apiserver/ingest/document.h"

#include "apiserver/ingest/entries.h"
#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

constexpr int64_t kUploaded = 1'795'224'000'000'000'005;

v1::Entry OomEntry(const std::string& more = "") {
  v1::Entry entry = Parse<v1::Entry>(
      "sequence: 7 event { time_ns: 1795223999500000000 values { uint: 4242 } values {} " + more +
      "}");
  entry.mutable_event()->set_tracer_id("0123456789abcdef");
  return entry;
}

std::string Document(const v1::Hello& hello, const v1::Entry& entry) {
  const auto result = EventDocument({.hello = hello, .uploaded_ns = kUploaded},
                                    TestCatalog().units(0).events(0), entry);
  return result.ok() ? result->row.document : result.status().ToString();
}

TEST_CASE("an event of a host process") {
  CHECK(
      Document(TestHello(), OomEntry()) ==
      R"({"tracer_name":"oom","tracer_id":"30313233-3435-3637-3839-616263646566",)"
      R"("tracer_type":"auto","tracer_time":"2026-11-21T01:19:59.500000000Z",)"
      R"("time":"2026-11-21T01:19:59.500000000Z",)"
      R"("uploaded_time":"2026-11-21T01:20:00.000000005Z","hostname":"a","node":"a","region":"eu",)"
      R"("tracer_data":{"victim_pid":4242,"score":null}})");
}

TEST_CASE("an event of a container, with a second subject, made by a task") {
  v1::Hello hello = TestHello();
  hello.set_hostname("a.example");
  hello.clear_region();
  const v1::Entry entry = OomEntry(R"(task_id: "t1"
    subjects { container { id: "c1" pod_uid: "u1" qos: "burstable" type: "normal" name: "web" hostname: "web-0" } }
    subjects { role: "trigger" container { id: "c2" } }
    subjects { role: "other" })");
  CHECK(Document(hello, entry) ==
        R"({"tracer_name":"oom","tracer_id":"30313233-3435-3637-3839-616263646566",)"
        R"("tracer_type":"manual","task_id":"t1","tracer_time":"2026-11-21T01:19:59.500000000Z",)"
        R"("time":"2026-11-21T01:19:59.500000000Z",)"
        R"("uploaded_time":"2026-11-21T01:20:00.000000005Z","hostname":"a.example","node":"a",)"
        R"("container_id":"c1","container_name":"web","container_hostname":"web-0",)"
        R"("container_type":"normal","container_qos":"burstable","pod_uid":"u1",)"
        R"("trigger_container_id":"c2","tracer_data":{"victim_pid":4242,"score":null}})");
  const auto result = EventDocument({.hello = hello, .uploaded_ns = kUploaded},
                                    TestCatalog().units(0).events(0), entry);
  const EventRow* row = &result->row;
  REQUIRE(row->subjects.size() == 2);
  CHECK(row->subjects[0] == SubjectRow{.role = "",
                                       .container_id = "c1",
                                       .container_name = "web",
                                       .namespace_name = "",
                                       .pod_name = "",
                                       .pod_uid = "u1"});
  CHECK(row->subjects[1].role == "trigger");
  CHECK(row->task_id == "t1");
}

TEST_CASE("a document that is too large can never be stored") {
  v1::Entry entry = OomEntry();
  entry.mutable_event()->add_incomplete(std::string(1 << 20, 'x'));
  CHECK(Document(TestHello(), entry) ==
        "INVALID_ARGUMENT: oom: a document of 1048910 bytes: at most 1048576");
}

std::string Missing(const std::string& entries, uint64_t high_water, uint64_t next_sequence = 1) {
  v1::Hello hello = TestHello();
  hello.set_next_sequence(next_sequence);
  EntryReader reader(hello, std::make_shared<v1::Catalog>(TestCatalog()), {}, high_water);
  const auto batch = reader.Read(Parse<v1::EntryBatch>(entries), kUploaded);
  if (!batch.ok()) return batch.status().ToString();
  std::string out;
  for (const EventRow& row : batch->commit.events) {
    out += std::to_string(row.sequence) + " " +
           row.document.substr(row.document.find("\"tracer_data")) + "\n";
  }
  return out + "missing " + std::to_string(batch->missing) + " duplicates " +
         std::to_string(batch->duplicates) + " high water " +
         std::to_string(batch->commit.high_water);
}

TEST_CASE("what is missing becomes documents") {
  CHECK(
      Missing(
          R"(entries { sequence: 9 gap { first_sequence: 1 cause: "spool_full" from_ns: 1000000000 to_ns: 2000000000 } }
                   entries { sequence: 10 not_observed { from_ns: 0 to_ns: 5000000000 cause: "stopped" unit: "oom" } })",
          0) ==
      R"(9 "tracer_data":{"first_sequence":1,"last_sequence":9,"count":9,"cause":"spool_full","from":"1970-01-01T00:00:01.000000000Z","to":"1970-01-01T00:00:02.000000000Z"}}
10 "tracer_data":{"cause":"stopped","from":null,"to":"1970-01-01T00:00:05.000000000Z","unit":"oom"}}
missing 9 duplicates 0 high water 10)");
}

TEST_CASE("a gap covers only what is not stored") {
  CHECK(
      Missing("entries { sequence: 9 gap { first_sequence: 1 cause: \"x\" } }", 5) ==
      R"(9 "tracer_data":{"first_sequence":6,"last_sequence":9,"count":4,"cause":"x","from":null,"to":null}}
missing 4 duplicates 0 high water 9)");
  CHECK(Missing("entries { sequence: 4 gap { first_sequence: 1 cause: \"x\" } }", 5) ==
        "missing 0 duplicates 1 high water 5");
}

TEST_CASE("a store that lost what it had acked says so with a gap of its own") {
  CHECK(
      Missing("entries { sequence: 50 not_observed { to_ns: 1 cause: \"stopped\" } }", 3, 50) ==
      R"(49 "tracer_data":{"first_sequence":4,"last_sequence":49,"count":46,"cause":"not_in_store","from":null,"to":null}}
50 "tracer_data":{"cause":"stopped","from":null,"to":"1970-01-01T00:00:00.000000001Z"}}
missing 46 duplicates 0 high water 50)");
}

TEST_CASE("the id of a gap is the same however often it is read") {
  const v1::Hello hello = TestHello();
  const auto gap = Parse<v1::Gap>("first_sequence: 1 to_ns: 1795223999500000000");
  const EventRow one = GapDocument({.hello = hello, .uploaded_ns = 1}, gap, 9);
  CHECK(one.tracer_id == GapDocument({.hello = hello, .uploaded_ns = 2}, gap, 9).tracer_id);
  CHECK(one.tracer_id != GapDocument({.hello = hello, .uploaded_ns = 1}, gap, 10).tracer_id);
  CHECK(one.tracer_id.substr(0, 15) == "01a1fbb0-540c-7");
}

}  // namespace
}  // namespace huatuo
