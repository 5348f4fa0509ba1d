#include "bpf/oom.h"

#include <catch2/catch.hpp>

#include "collector/decode/decoder.h"
#include "common/document.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kOom;

namespace {

constexpr const Unit* kUnits[] = {&kOom};

oom_event Kill() {
  oom_event event{};
  event.header.time_ns = 0;
  event.header.cgroup = {8, 0, 0};
  event.header.tgid = 50;
  event.header.tid = 51;
  event.header.size = sizeof(event);
  std::memcpy(event.header.comm, "trigger", 8);
  event.victim_cgroup = {7, 0, 0};
  event.memcg = {7, 0, 0};
  event.limit_pages = 2;
  event.usage_pages = 3;
  event.victim_rss_anon_pages = 1;
  event.victim_tgid = 4242;
  event.oom_score_adj = -998;
  event.scope = OOM_SCOPE_MEMCG;
  event.constraint = 3;
  event.killed_count = 1;
  std::memcpy(event.victim_comm, "hog", 4);
  return event;
}

std::string Json(const oom_event& event) {
  static FakeContext context;
  context.Add(7, "aaaa", "victim-pod");
  context.Add(8, "bbbb", "trigger-pod");
  ManualClock clock;
  const Decoder decoder(kUnits, context, clock);
  return TracerData(MakeCatalog(kUnits).units(0).events(0),
                    decoder.Decode(0, 0, kOom.events[0], &event));
}

TEST_CASE("an oom kill names victim, trigger and the exhausted domain") {
  CHECK(Json(Kill()) ==
        R"({"comm":"trigger","pid":50,"tid":51,"cpu":0,"cgroup_id":"8",)"
        R"("victim_process_name":"hog","victim_pid":4242,)"
        R"("victim_container_hostname":"victim-pod","victim_container_id":"aaaa",)"
        R"("victim_memcg_css":"0x7","trigger_process_name":"trigger","trigger_pid":50,)"
        R"("trigger_container_hostname":"trigger-pod","trigger_container_id":"bbbb",)"
        R"("trigger_memcg_css":"0x8","scope":"memcg","limit_bytes":8192,"usage_bytes":12288,)"
        R"("victim_rss_anon_bytes":4096,"victim_rss_file_bytes":0,"oom_score_adj":-998,)"
        R"("constraint":"memcg","mechanism":"fentry","killed_count":1,"top_processes":null,)"
        R"("memory_stat":null,"memory_events":null,"meminfo":null})");
}

TEST_CASE("what mark_victim cannot know is null, never 0") {
  oom_event event = Kill();
  event.victim_cgroup = {};
  event.memcg = {};
  event.limit_pages = event.usage_pages = OOM_UNKNOWN_U64;
  event.victim_rss_anon_pages = event.victim_rss_file_pages = OOM_UNKNOWN_U64;
  event.oom_score_adj = event.constraint = OOM_UNKNOWN_S32;
  event.scope = OOM_SCOPE_UNKNOWN;
  event.mechanism = OOM_BY_MARK_VICTIM;
  event.victim_comm[0] = '\0';
  CHECK(Json(event).find(
            R"("victim_process_name":null,"victim_pid":4242,"victim_container_hostname":null,)"
            R"("victim_container_id":null,"victim_memcg_css":null)") != std::string::npos);
  CHECK(Json(event).find(
            R"("scope":null,"limit_bytes":null,"usage_bytes":null,"victim_rss_anon_bytes":null,)"
            R"("victim_rss_file_bytes":null,"oom_score_adj":null,"constraint":null,)"
            R"("mechanism":"mark_victim")") != std::string::npos);
}

TEST_CASE("victims of one trigger fold only where the mechanism speaks for each") {
  const EventType& type = kOom.events[0];
  oom_event first = Kill();
  oom_event second = Kill();
  CHECK_FALSE(type.fold(&first, &second));
  first.mechanism = second.mechanism = OOM_BY_MARK_VICTIM;
  CHECK(type.fold(&first, &second));
  CHECK(first.killed_count == 2);
  second.header.tid = 99;
  CHECK_FALSE(type.fold(&first, &second));
  second = Kill();
  second.mechanism = OOM_BY_MARK_VICTIM;
  second.victim_cgroup.id = 9;
  CHECK_FALSE(type.fold(&first, &second));
  CHECK(first.killed_count == 2);
}

}  // namespace
}  // namespace huatuo
