#include <google/protobuf/text_format.h>
#include <zlib.h>

#include <catch2/catch.hpp>

#include "apiserver/ingest/profile_document.h"
#include "apiserver/query/profiles_api.h"
#include "apiserver/store/profile_blob.h"
#include "common/status.h"
#include "pprof/profile.pb.h"
#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

v1::Profile Parse(const std::string& text) {
  v1::Profile profile;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &profile));
  return profile;
}

// main → work (3 times) and main → do_syscall → 0x12 of libc; another process that is unknown.
v1::Profile First() {
  return Parse(R"(
    profile_id: "0123456789abcdef" unit: "cpu_profile" type: "cpu"
    time_ns: 1000000000 duration_ns: 2000000000 period_ns: 10
    values { type: "samples" unit: "count" } values { type: "cpu" unit: "nanoseconds" }
    strings: "" strings: "main" strings: "/usr/bin/app" strings: "app" strings: "work;x"
    strings: "do_syscall_64" strings: "/lib/libc.so.6" strings: "ab12"
    frames { kind: USER function: 1 module: 2 address: 4096 offset: 6 build_id: 7 }
    frames { kind: USER function: 4 module: 2 address: 8192 offset: 1 build_id: 7 }
    frames { kind: KERNEL function: 5 address: 18446744071578845184 offset: 8 }
    frames { kind: USER module: 6 address: 18 offset: 18 }
    subjects { container { id: "aaaabbbbccccdddd" pod_uid: "u1" name: "web" } pid: 42 comm: 3 }
    subjects { }
    samples { subject: 0 frames: 1 frames: 0 values: 3 values: 30 }
    samples { subject: 0 frames: 2 frames: 3 frames: 0 values: 2 values: 20 }
    samples { subject: 1 values: 1 values: 10 }
    losses { unit: "cpu_profile" cause: "map_full" count: 5 })");
}

// The same stack of the same process from tables in another order, 4 s later.
v1::Profile Second() {
  return Parse(R"(
    profile_id: "fedcba9876543210" unit: "cpu_profile" type: "cpu"
    time_ns: 5000000000 duration_ns: 1000000000 period_ns: 10
    values { type: "samples" unit: "count" } values { type: "cpu" unit: "nanoseconds" }
    strings: "" strings: "work;x" strings: "ab12" strings: "/usr/bin/app" strings: "app"
    strings: "main"
    frames { kind: USER function: 1 module: 3 address: 8192 offset: 1 build_id: 2 }
    frames { kind: USER function: 5 module: 3 address: 4096 offset: 6 build_id: 2 }
    subjects { container { id: "aaaabbbbccccdddd" pod_uid: "u1" name: "web" } pid: 42 comm: 4 }
    samples { subject: 0 frames: 0 frames: 1 values: 4 values: 40 }
    losses { unit: "cpu_profile" cause: "map_full" count: 2 })");
}

std::string Render(const std::vector<NodeProfile>& profiles, const std::string& format) {
  const absl::StatusOr<Rendered> result = RenderProfiles(profiles, format);
  return result.ok() ? result->body : Message(result.status());
}

std::string Gunzip(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

// One line a sample: "main<work 3 30 comm=app …", innermost last, and what the file says of itself.
std::string PprofText(const std::string& body) {
  perftools::profiles::Profile profile;
  REQUIRE(profile.ParseFromString(Gunzip(body)));
  const auto text = [&](int64_t index) { return profile.string_table(static_cast<int>(index)); };
  std::string out;
  for (const auto& mapping : profile.mapping()) {
    out += "mapping " + text(mapping.filename()) + " " + text(mapping.build_id()) + "\n";
  }
  for (const auto& sample : profile.sample()) {
    std::string line;
    for (const uint64_t id : sample.location_id()) {
      const auto& location = profile.location(static_cast<int>(id) - 1);
      const auto& function = profile.function(static_cast<int>(location.line(0).function_id()) - 1);
      line = text(function.name()) + "<" + line;
    }
    for (const int64_t value : sample.value()) line += " " + std::to_string(value);
    for (const auto& label : sample.label()) {
      line += " " + text(label.key()) + "=" +
              (label.str() != 0 ? text(label.str()) : std::to_string(label.num()));
    }
    out += line + "\n";
  }
  for (const int64_t comment : profile.comment()) out += "comment " + text(comment) + "\n";
  return out + text(profile.default_sample_type()) + " " + std::to_string(profile.time_nanos()) +
         " " + std::to_string(profile.duration_nanos()) + " " + std::to_string(profile.period()) +
         " " + text(profile.sample_type(1).unit()) + "\n";
}

}  // namespace

TEST_CASE("folded stacks") {
  CHECK(Render({{"n1", First()}}, "folded") ==
        "[unknown] 10\n"
        "app;main;libc.so.6+0x12;do_syscall_64_[k] 20\n"
        "app;main;work:x 30\n");
  CHECK(Render({{"n1", First()}, {"n2", Second()}}, "folded") ==
        "[unknown] 10\n"
        "app;main;libc.so.6+0x12;do_syscall_64_[k] 20\n"
        "app;main;work:x 70\n");
  CHECK(Render({}, "folded").empty());
}

TEST_CASE("flame graph: depth first, the root first, siblings by value") {
  CHECK(Render({{"n1", First()}}, "flamegraph") ==
        R"({"unit":"nanoseconds","total":60,"items":[)"
        R"({"level":0,"value":60,"self":0,"label":"total"},)"
        R"({"level":1,"value":50,"self":0,"label":"app"},)"
        R"({"level":2,"value":50,"self":0,"label":"main","kind":"user"},)"
        R"({"level":3,"value":30,"self":30,"label":"work;x","kind":"user"},)"
        R"({"level":3,"value":20,"self":0,"label":"libc.so.6+0x12","kind":"user"},)"
        R"({"level":4,"value":20,"self":20,"label":"do_syscall_64","kind":"kernel"},)"
        R"({"level":1,"value":10,"self":10,"label":"[unknown]"}]})");
  CHECK(Render({}, "flamegraph") ==
        R"({"unit":"","total":0,"items":[{"level":0,"value":0,"self":0,"label":"total"}]})");
}

TEST_CASE("json: tables, and samples that refer to them; the same stack of a node is one sample") {
  CHECK(
      Render({{"n1", First()}, {"n1", Second()}}, "json") ==
      R"({"profiles":2,"time":"1970-01-01T00:00:01.000000000Z","duration_seconds":5E0,)"
      R"("period_ns":10,"values":[{"type":"samples","unit":"count","total":10},)"
      R"({"type":"cpu","unit":"nanoseconds","total":100}],"losses":{"map_full":7},"frames":[)"
      R"({"kind":"user","label":"main","function":"main","module":"/usr/bin/app",)"
      R"("build_id":"ab12","address":"0x1000","offset":6},)"
      R"({"kind":"user","label":"work;x","function":"work;x","module":"/usr/bin/app",)"
      R"("build_id":"ab12","address":"0x2000","offset":1},)"
      R"({"kind":"kernel","label":"do_syscall_64","function":"do_syscall_64",)"
      R"("address":"0xffffffff81000000","offset":8},)"
      R"({"kind":"user","label":"libc.so.6+0x12","module":"/lib/libc.so.6",)"
      R"("address":"0x12","offset":18}],"subjects":[)"
      R"({"node":"n1","pid":42,"comm":"app","container_id":"aaaabbbbccccdddd",)"
      R"("container_name":"web","pod_uid":"u1"},{"node":"n1","pid":0}],"samples":[)"
      R"({"subject":0,"frames":[1,0],"values":[7,70]},)"
      R"({"subject":0,"frames":[2,3,0],"values":[2,20]},{"subject":1,"frames":[],"values":[1,10]}]})");
}

TEST_CASE("pprof: mappings, functions, locations, labels, comments") {
  CHECK(PprofText(Render({{"n1", First()}, {"n2", Second()}}, "pprof")) ==
        "mapping /usr/bin/app ab12\n"
        "mapping [kernel.kallsyms] \n"
        "mapping /lib/libc.so.6 \n"
        "main<work;x< 3 30 node=n1 comm=app container=web container_id=aaaabbbbccccdddd pod=u1 "
        "pid=42\n"
        "main<libc.so.6+0x12<do_syscall_64< 2 20 node=n1 comm=app container=web "
        "container_id=aaaabbbbccccdddd pod=u1 pid=42\n"
        " 1 10 node=n1\n"
        "main<work;x< 4 40 node=n2 comm=app container=web container_id=aaaabbbbccccdddd pod=u1 "
        "pid=42\n"
        "comment lost map_full: 7\n"
        "cpu 1000000000 5000000000 10 nanoseconds\n");
}

TEST_CASE("what cannot be rendered is refused by name") {
  CHECK(Render({}, "svg") == "format: \"svg\": accepted are pprof, folded, flamegraph, json");
  v1::Profile other = Second();
  other.mutable_values(1)->set_type("wall");
  CHECK(Render({{"n1", First()}, {"n1", other}}, "json") ==
        "profiles: samples in count, cpu in nanoseconds and samples in count, wall in nanoseconds: "
        "cannot be one result");
}

TEST_CASE("profiles over REST: lists, pages, one, its formats") {
  Bed bed;
  CHECK(bed.Text("/api/v1/profiles") == R"(200 {"items":[],"next_cursor":null,"missing":0})");
  ProfileCommit commit{"n1", "e", 3, 7, {}, {{3, 3, "spool_full", 0, 0}}};
  commit.profiles.push_back(MakeNewProfile({"n1", 1, 7}, First()));
  v1::Profile second = Second();
  second.set_task_id("t1");
  commit.profiles.push_back(MakeNewProfile({"n1", 2, 7}, second));
  REQUIRE(bed.profiles.Append({&commit, 1}).ok());
  const std::string first_id = commit.profiles[0].row.id;
  const std::string first_item = commit.profiles[0].row.document;
  const std::string second_item = commit.profiles[1].row.document;

  CHECK(bed.Text("/api/v1/profiles") == "200 {\"items\":[" + second_item + "," + first_item +
                                            R"(],"next_cursor":null,"missing":1})");
  const std::string page = bed.Text("/api/v1/profiles?limit=1");
  const std::string marker = "\"next_cursor\":\"";
  const size_t at = page.find(marker) + marker.size();
  const std::string cursor = page.substr(at, page.find('"', at) - at);
  CHECK(bed.Text("/api/v1/profiles?limit=1&cursor=" + cursor) ==
        "200 {\"items\":[" + first_item + R"(],"next_cursor":null,"missing":1})");
  CHECK(bed.Get("/api/v1/profiles?node=n1&cursor=" + cursor).status == 400);
  CHECK(bed.Text("/api/v1/profiles?task_id=t1&container=web&unit=cpu_profile&node=n1") ==
        "200 {\"items\":[" + second_item + R"(],"next_cursor":null,"missing":1})");
  CHECK(bed.Text("/api/v1/profiles?from=1970-01-01T00:00:04Z&to=1970-01-01T00:00:06Z&node=n2") ==
        R"(200 {"items":[],"next_cursor":null,"missing":0})");
  CHECK(bed.Text("/api/v1/profiles?from=now&to=-1h").starts_with("400 "));
  CHECK(bed.Text("/api/v1/profiles?limit=0").starts_with("400 "));

  CHECK(bed.Text("/api/v1/profiles/" + first_id) == "200 " + first_item);
  for (const std::string& format : ProfileFormats()) {
    const Answer answer = bed.Get("/api/v1/profiles/" + first_id + "?format=" + format);
    CHECK(answer.status == 200);
    CHECK(answer.body == Render({{"n1", First()}}, format));
  }
  Answer file = bed.Get("/api/v1/profiles/" + first_id + "?format=pprof");
  CHECK(file.headers["content-disposition"] == "attachment; filename=\"profile.pb.gz\"");
  CHECK(file.headers["content-type"] == "application/vnd.google.protobuf+gzip");
  CHECK(
      bed.Text("/api/v1/profiles/" + first_id + "?format=svg") ==
      R"(400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"bad value \"svg\"",)"
      R"("parameter":"format","accepted":"one of pprof, folded, flamegraph, json"})");
  CHECK(bed.Get("/api/v1/profiles/none?format=json").status == 404);
}

TEST_CASE("the profiles of a task are one result, however many there are") {
  MemoryProfileStore store;
  ProfileCommit commit{"n1", "e", 250, 7, {}, {}};
  for (uint64_t i = 1; i <= 250; ++i) {
    v1::Profile profile = Second();
    profile.set_profile_id(std::to_string(1'000'000'000'000'000 + i));
    profile.set_task_id(i % 5 == 0 ? "other" : "t1");
    commit.profiles.push_back(MakeNewProfile({"n1", i, 7}, profile));
  }
  REQUIRE(store.Append({&commit, 1}).ok());
  CHECK(TaskProfiles(store, "t1", "folded").body == "app;main;work:x 8000\n");
  CHECK(TaskProfiles(store, "other", "folded").body == "app;main;work:x 2000\n");
  CHECK(TaskProfiles(store, "none", "folded").body.empty());
  CHECK(TaskProfiles(store, "t1", "svg").status == 400);
}

}  // namespace huatuo
