#include "apiserver/ingest/profile_session.h"

#include "apiserver/store/memory_profile_store.h"
#include "apiserver/store/profile_blob.h"
#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

constexpr char kProfile[] = R"(
  profile_id: "0123456789abcdef" unit: "cpu_profile" type: "cpu" task_id: "t1"
  time_ns: 1000000000 duration_ns: 2500000000 period_ns: 10101010
  values { type: "samples" unit: "count" } values { type: "cpu" unit: "nanoseconds" }
  strings: "" strings: "main" strings: "/bin/app" strings: "app" strings: "do_idle"
  frames { kind: USER function: 1 module: 2 address: 4096 }
  frames { kind: KERNEL function: 4 address: 18446744071578845184 }
  subjects { container { id: "aaaabbbbccccdddd" pod_uid: "u1" name: "web" } pid: 42 comm: 3 }
  subjects { pid: 7 comm: 3 }
  samples { subject: 0 frames: 1 frames: 0 values: 3 values: 30303030 }
  samples { subject: 1 values: 1 values: 10101010 }
  losses { unit: "cpu_profile" cause: "map_full" count: 5 })";

v1::Catalog ProfileCatalog() {
  return Parse<v1::Catalog>(R"(units { name: "cpu_profile" profiles { name: "cpu"
    values { type: "samples" unit: "count" } values { type: "cpu" unit: "nanoseconds" } } })");
}

// Refuses commits while told to.
class MoodyProfiles : public ProfileAppender {
 public:
  explicit MoodyProfiles(ProfileStore& store) : store_(store) {}
  absl::StatusOr<uint64_t> Append(std::span<const ProfileCommit> commits) override {
    if (refuses) return Unavailable("disk full");
    return store_.Append(commits);
  }
  absl::StatusOr<uint64_t> HighWater(std::string_view node, std::string_view epoch) override {
    return store_.HighWater(node, epoch);
  }
  std::atomic<bool> refuses = false;

 private:
  ProfileStore& store_;
};

struct ProfileBench : Bench {
  ProfileBench() {
    clock.wall_ns = 1'700'000'000'000'000'000;
    Connect("a");
  }
  void Connect(const std::string& node) {
    const uint64_t session = nodes.Connect(
        TestHello(node), [](const v1::ToNode&) {}, [] {});
    nodes.Update(node, session, [](NodeState& state) {
      state.catalog = std::make_shared<const v1::Catalog>(ProfileCatalog());
    });
  }
  ProfileShared profile_shared() {
    return {.clock = clock,
            .appender = moody,
            .nodes = nodes,
            .writer = profile_writer,
            .fence = fence,
            .metrics = profile_metrics,
            .streams = metrics,
            .pods = &pods};
  }
  // "sequence node id" of what is stored, oldest first.
  std::string StoredProfiles() {
    std::string out;
    const auto rows = profiles.Query({}, 0, 1000);
    REQUIRE(rows.ok());
    for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
      out += std::to_string(row->row.sequence) + " " + row->node + " " + row->row.id + "\n";
    }
    return out;
  }
  PodIndex pods{clock};
  MemoryProfileStore profiles;
  MoodyProfiles moody{profiles};
  ProfileMetrics profile_metrics{registry};
  ProfileFence fence;
  ProfileWriter profile_writer{
      moody,
      profile_metrics,
      clock,
      {.first_pause = std::chrono::milliseconds(1), .longest_pause = std::chrono::milliseconds(4)}};
};

// The node's end of a session.
class ProfileNode {
 public:
  explicit ProfileNode(ProfileBench& bench) : mail_(std::make_shared<Mail>()) {
    const auto mail = mail_;
    session_ = ProfileSession::Start(
        bench.profile_shared(),
        {.send = [mail](const v1::ProfilesToNode& m) { mail->Add(m.ShortDebugString()); },
         .end = [mail](const absl::Status& status) { mail->Add("end: " + status.ToString()); },
         .resume = [mail] { mail->Add("resume"); },
         .allow =
             [](const std::string& node) {
               return node == "b" ? absl::PermissionDeniedError("node: not yours")
                                  : absl::OkStatus();
             }});
  }
  std::string Say(const v1::ProfilesFromNode& message) {
    return SayBytes(message.SerializeAsString());
  }
  std::string SayBytes(const std::string& bytes) {
    const auto next = session_->Receive(bytes);
    if (!next.ok()) return next.status().ToString();
    return *next == Exchange::Next::kRead ? "read" : "pause";
  }
  std::string Hello(const std::string& node = "a", uint64_t next_sequence = 1) {
    v1::ProfilesFromNode message;
    message.mutable_hello()->set_protocol(1);
    message.mutable_hello()->set_node(node);
    message.mutable_hello()->set_epoch("0123456789abcdef");
    message.mutable_hello()->set_next_sequence(next_sequence);
    return Say(message);
  }
  static v1::ProfilesFromNode Entry(uint64_t sequence, const std::string& id = "") {
    v1::ProfilesFromNode message;
    message.mutable_entry()->set_sequence(sequence);
    *message.mutable_entry()->mutable_profile() = Parse<v1::Profile>(kProfile);
    message.mutable_entry()->mutable_profile()->set_profile_id(
        Sha256(id.empty() ? std::to_string(sequence) : id).substr(0, 16));
    return message;
  }
  std::string Await(const std::string& text) { return mail_->Await(text); }

 private:
  struct Mail {
    void Add(const std::string& line) {
      const std::lock_guard lock(mutex);
      lines += line + "\n";
      changed.notify_all();
    }
    std::string Await(const std::string& text) {
      std::unique_lock lock(mutex);
      const bool came = changed.wait_for(lock, std::chrono::seconds(20),
                                         [&] { return lines.find(text) != std::string::npos; });
      INFO("waits for " << text << ", heard " << lines);
      REQUIRE(came);
      return std::exchange(lines, "");
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::string lines;
  };
  std::shared_ptr<Mail> mail_;
  std::shared_ptr<ProfileSession> session_;
};

}  // namespace

TEST_CASE("a profile is stored, acked and found with its document") {
  ProfileBench bench;
  ProfileNode node(bench);
  REQUIRE(node.Hello() == "read");
  CHECK(node.Await("welcome") == "welcome { fencing: 1 }\n");
  CHECK(node.Say(ProfileNode::Entry(1)) == "read");
  CHECK(node.Await("ack") == "ack { sequence: 1 }\n");
  const auto rows = bench.profiles.Query({.container = "web"}, 0, 10);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 1);
  const StoredProfile& stored = rows->front();
  CHECK(stored.row.document ==
        R"({"id":"6b86b273-ff34-fce1-9d6b-804eff5a3f57","node":"a","unit":"cpu_profile",)"
        R"("type":"cpu","task_id":"t1","time":"1970-01-01T00:00:01.000000000Z",)"
        R"("uploaded_time":"2023-11-14T22:13:20.000000000Z","duration_seconds":2.5E0,)"
        R"("samples":4,"total":40404040,"value_unit":"nanoseconds",)"
        R"("values":[{"type":"samples","unit":"count","total":4},)"
        R"({"type":"cpu","unit":"nanoseconds","total":40404040}],"losses":{"map_full":5},)"
        R"("containers":[{"id":"aaaabbbbccccdddd","name":"web","pod_uid":"u1"}],"bytes":)" +
            std::to_string(stored.bytes) + "}");
  const auto loaded = LoadProfile(bench.profiles, stored.row.id);
  REQUIRE(loaded.ok());
  REQUIRE(loaded->has_value());
  CHECK((*loaded)->SerializeAsString() ==
        ProfileNode::Entry(1).entry().profile().SerializeAsString());
  CHECK(bench.Own("huatuo_apiserver_profiles_total", "stored") == 1);
  CHECK(bench.Own("huatuo_apiserver_profile_streams") == 1);
}

TEST_CASE("containers of a profile have the names that the cluster knows them by") {
  ProfileBench bench;
  bench.pods.Set({.uid = "u1",
                  .resource_version = "1",
                  .namespace_name = "shop",
                  .name = "web-0",
                  .containers = {{.name = "app", .type = "normal", .ids = {"aaaabbbbccccdddd"}}}});
  ProfileNode node(bench);
  REQUIRE(node.Hello() == "read");
  v1::ProfilesFromNode lie = ProfileNode::Entry(1);
  for (v1::ProfileSubject& subject : *lie.mutable_entry()->mutable_profile()->mutable_subjects()) {
    subject.set_namespace_name("another");
    subject.set_pod_name("of-the-node");
  }
  CHECK(node.Await("welcome") == "welcome { fencing: 1 }\n");
  CHECK(node.Say(lie) == "read");
  CHECK(node.Await("ack") == "ack { sequence: 1 }\n");
  const auto rows = bench.profiles.Query({.container = "app"}, 0, 10);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 1);
  const std::string& document = rows->front().row.document;
  CHECK(document.find(R"("containers":[{"id":"aaaabbbbccccdddd","name":"app",)"
                      R"("namespace":"shop","pod_name":"web-0","pod_uid":"u1"}])") !=
        std::string::npos);
  const auto loaded = LoadProfile(bench.profiles, rows->front().row.id);
  REQUIRE(loaded.ok());
  REQUIRE(loaded->has_value());
  std::string subjects;
  for (const v1::ProfileSubject& subject : (*loaded)->subjects()) {
    subjects += subject.namespace_name() + "/" + subject.pod_name() + " " +
                subject.container().name() + "\n";
  }
  CHECK(subjects == "shop/web-0 app\n/ \n");
}

TEST_CASE("what is sent again is stored once, across streams") {
  ProfileBench bench;
  {
    ProfileNode node(bench);
    node.Hello();
    node.Say(ProfileNode::Entry(1));
    node.Say(ProfileNode::Entry(2));
    node.Await("ack { sequence: 2 }");
  }
  ProfileNode again(bench);
  CHECK(again.Hello() == "read");
  CHECK(again.Await("welcome") == "welcome { high_water: 2 fencing: 2 }\n");
  CHECK(again.Say(ProfileNode::Entry(2)) == "read");
  CHECK(again.Say(ProfileNode::Entry(3)) == "read");
  again.Await("ack { sequence: 3 }");
  const auto rows = bench.profiles.Query({}, 0, 10);
  CHECK(rows->size() == 3);
  CHECK(bench.Own("huatuo_apiserver_profiles_total", "duplicate") == 1);
}

TEST_CASE("gaps, refused units and what the store lost are counted as missing") {
  ProfileBench bench;
  ProfileNode node(bench);
  REQUIRE(node.Hello("a", 5) == "read");
  v1::ProfilesFromNode gap;
  gap.mutable_entry()->set_sequence(9);
  gap.mutable_entry()->mutable_gap()->set_first_sequence(5);
  gap.mutable_entry()->mutable_gap()->set_cause("spool_full");
  gap.mutable_entry()->mutable_gap()->set_from_ns(100);
  gap.mutable_entry()->mutable_gap()->set_to_ns(200);
  CHECK(node.Say(gap) == "read");
  auto unknown = ProfileNode::Entry(10);
  unknown.mutable_entry()->mutable_profile()->set_unit("heap");
  CHECK(node.Say(unknown) == "read");
  auto wall = ProfileNode::Entry(11);
  wall.mutable_entry()->mutable_profile()->mutable_values(1)->set_type("wall");
  CHECK(node.Say(wall) == "read");
  node.Await("ack { sequence: 11 }");
  CHECK(*bench.profiles.Missing("a", {}, {}) == 11);
  // Without the two that were rejected, which have a time.
  CHECK(*bench.profiles.Missing("a", 150, 160) == 9);
  CHECK(*bench.profiles.Missing("z", {}, {}) == 0);
  CHECK(bench.Own("huatuo_apiserver_profiles_total", "gap") == 9);
  CHECK(bench.Own("huatuo_apiserver_profiles_total", "rejected") == 2);
  CHECK(bench.StoredProfiles().empty());
}

TEST_CASE("a store that refuses keeps acks back until it works again") {
  ProfileBench bench;
  bench.moody.refuses = true;
  ProfileNode node(bench);
  node.Hello();
  node.Await("welcome");
  node.Say(ProfileNode::Entry(1));
  while (bench.Own("huatuo_apiserver_profile_commit_failures_total") < 3) std::this_thread::yield();
  CHECK(bench.StoredProfiles().empty());
  bench.moody.refuses = false;
  CHECK(node.Await("ack") == "ack { sequence: 1 }\n");
}

TEST_CASE("a newer stream of a node ends the older one; without Connect there is none") {
  ProfileBench bench;
  ProfileNode old(bench);
  old.Hello();
  ProfileNode young(bench);
  young.Hello();
  CHECK(old.Await("end").find("end: ABORTED: node a: a newer stream of it has begun\n") !=
        std::string::npos);
  CHECK(old.Say(ProfileNode::Entry(1)) ==
        "ABORTED: profiles: node a: a newer stream of it has begun");
  CHECK(young.Say(ProfileNode::Entry(1)) == "read");
  CHECK(bench.Own("huatuo_apiserver_streams_refused_total", "fenced") == 1);
  ProfileNode stranger(bench);
  CHECK(stranger.Hello("c") ==
        "FAILED_PRECONDITION: profiles: hello: node c: its stream Connect is not open");
  CHECK(bench.Own("huatuo_apiserver_streams_refused_total", "not_connected") == 1);
  ProfileNode thief(bench);
  CHECK(thief.Hello("b") == "PERMISSION_DENIED: profiles: hello: node: not yours");
}

TEST_CASE("what breaks a rule ends the stream, says why and is counted") {
  struct Bad {
    std::string change;  // merged into the profile
    std::string answer;
  };
  const Bad bads[] = {
      {R"(unit: "CPU")", "unit: not 1 to 64 of [a-z0-9_]"},
      {R"(type: "")", ""},
      {R"(profile_id: "short")", "profile_id: 5 bytes: not 16"},
      {R"(time_ns: -1)", "time_ns: before 1970"},
      {R"(duration_ns: -1)", "duration_ns: not from 0 to 366 days, or beyond the end of time"},
      {R"(values { type: "x" unit: "y" })", "sample 0: values: 2: the profile has 3"},
      {R"(frames { function: 5 })", "frame 2: function: 5: there are 5"},
      {R"(frames { module: 9 })", "frame 2: module: 9: there are 5"},
      {R"(frames { build_id: 4294967295 })", "frame 2: build_id: 4294967295: there are 5"},
      {R"(subjects { comm: 5 })", "subject 2: comm: 5: there are 5"},
      {R"(samples { subject: 2 values: 1 values: 1 })", "sample 2: subject: 2: there are 2"},
      {R"(samples { frames: 2 values: 1 values: 1 })", "sample 2: frames: 2: there are 2"},
      {R"(samples { values: 1 })", "sample 2: values: 1: the profile has 2"},
      {R"(losses { cause: "no such thing" })", "losses: cause: not 1 to 64 of [a-z0-9_]"},
  };
  for (const Bad& bad : bads) {
    ProfileBench bench;
    ProfileNode node(bench);
    node.Hello();
    auto message = ProfileNode::Entry(1);
    message.mutable_entry()->mutable_profile()->MergeFrom(Parse<v1::Profile>(bad.change));
    const std::string wanted =
        bad.answer.empty() ? "read" : "INVALID_ARGUMENT: profiles: entry 1: " + bad.answer;
    CHECK(node.Say(message) == wanted);
    CHECK(bench.Own("huatuo_apiserver_streams_refused_total", "malformed") == !bad.answer.empty());
  }
}

TEST_CASE("sequences and order of messages are held to the rules") {
  ProfileBench bench;
  ProfileNode early(bench);
  CHECK(early.Say(ProfileNode::Entry(1)) == "INVALID_ARGUMENT: profiles: before hello");
  CHECK(early.SayBytes("\xff\xff") == "INVALID_ARGUMENT: profiles: message: cannot be parsed");
  ProfileNode node(bench);
  node.Hello();
  CHECK(node.Hello() == "INVALID_ARGUMENT: profiles: hello: a second one");
  CHECK(node.Say(ProfileNode::Entry(2)) ==
        "INVALID_ARGUMENT: profiles: entry 2: sequence: beyond the high-water mark 0 and "
        "next_sequence 1");
  CHECK(node.Say(ProfileNode::Entry(1)) == "read");
  CHECK(node.Say(ProfileNode::Entry(3)) ==
        "INVALID_ARGUMENT: profiles: entry 3: sequence: after 1");
  auto many = ProfileNode::Entry(2);
  for (int i = 0; i < 1025; ++i) {
    many.mutable_entry()->mutable_profile()->mutable_samples(0)->add_frames(0);
  }
  CHECK(node.Say(many) ==
        "INVALID_ARGUMENT: profiles: entry 2: sample 0: frames: 1027: at most 1024");
  v1::ProfilesFromNode empty;
  empty.mutable_entry()->set_sequence(2);
  CHECK(node.Say(empty) == "INVALID_ARGUMENT: profiles: entry 2: neither profile nor gap");
  CHECK(node.Say({}) == "INVALID_ARGUMENT: profiles: a message that is not known");
}

}  // namespace huatuo
