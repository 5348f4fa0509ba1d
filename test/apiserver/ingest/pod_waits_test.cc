#include "apiserver/ingest/pod_waits.h"

#include "apiserver/ingest/document.h"
#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Pod WebPod(const std::string& id = "c1") {
  Pod pod;
  pod.uid = "u1";
  pod.resource_version = "1" + id;
  pod.namespace_name = "shop";
  pod.name = "web-0";
  pod.qos = "burstable";
  pod.owner = "StatefulSet/web";
  pod.labels = {{"app", "web"}, {"team", "a"}};
  pod.annotations = {{"note", "n"}};
  pod.containers.push_back({.name = "main", .type = "normal", .ids = {id}});
  return pod;
}

// Events [first, last] of a container.
v1::FromNode Of(uint64_t first, uint64_t last, const std::string& id = "c1",
                const std::string& uid = "u1", const std::string& node = "a") {
  v1::FromNode message = Events(first, last, node);
  for (v1::Entry& entry : *message.mutable_entries()->mutable_entries()) {
    v1::Container& container = *entry.mutable_event()->add_subjects()->mutable_container();
    container.set_id(id);
    container.set_pod_uid(uid);
    container.set_type("container");
  }
  return message;
}

// The thread looks ten times a second; time itself is the fixture's.
struct Waiting : Bench {
  explicit Waiting(PodWaitOptions options = {}) : Waiting(options, {}) {}
  Waiting(PodWaitOptions options, WriterOptions writing)
      : Bench(writing), waits(std::make_unique<PodWaits>(pods, clock, registry, options)) {}
  Shared shared() {
    Shared shared = Bench::shared();
    shared.waits = waits.get();
    return shared;
  }
  double Outcome(const std::string& outcome) {
    return Own("huatuo_apiserver_kube_unresolved_events_total", outcome);
  }
  // "sequence pod/container" of what is stored.
  std::string Told() {
    std::string out;
    const auto events = store.Query({}, Order::kOldestFirst, 0, 1000);
    REQUIRE(events.ok());
    for (const StoredEvent& event : *events) {
      out += std::to_string(event.row.sequence) + " ";
      for (const SubjectRow& s : event.row.subjects) out += s.pod_name + "/" + s.container_name;
      out += "\n";
    }
    return out;
  }
  void AwaitNothingWaits() {
    const auto begin = std::chrono::steady_clock::now();
    while (Own("huatuo_apiserver_kube_waiting_bytes") != 0) {
      REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
      std::this_thread::yield();
    }
  }
  PodIndex pods{clock};
  std::unique_ptr<PodWaits> waits;
};

TEST_CASE("an event tells what node and cluster know together") {
  Waiting bench;
  bench.pods.Set(WebPod());
  v1::Entry entry = Of(7, 7).entries().entries(0);
  entry.mutable_event()->mutable_subjects(0)->mutable_container()->set_qos("guaranteed");
  entry.mutable_event()->mutable_subjects(0)->mutable_container()->set_hostname("h");
  *entry.mutable_event()->add_subjects() = Parse<v1::Subject>(
      R"(role: "trigger" container { id: "sandbox" pod_uid: "u1" type: "container" })");
  const auto result = EventDocument({.hello = TestHello(), .uploaded_ns = 1, .pods = &bench.pods},
                                    TestCatalog().units(0).events(0), entry);
  REQUIRE(result.ok());
  const std::string& document = result->row.document;
  const size_t begin = document.find("\"container_id\"");
  CHECK(
      document.substr(begin, document.find(",\"tracer_data\"") - begin) ==
      R"("container_id":"c1","container_name":"main","container_hostname":"h",)"
      R"("container_host_namespace":"shop","container_type":"normal","container_qos":"guaranteed",)"
      R"("pod_name":"web-0","pod_uid":"u1","pod_labels":{"app":"web","team":"a"},)"
      R"("pod_annotations":{"note":"n"},"owner":"StatefulSet/web",)"
      R"("trigger_container_id":"sandbox","trigger_container_host_namespace":"shop",)"
      R"("trigger_container_type":"container","trigger_container_qos":"burstable",)"
      R"("trigger_pod_name":"web-0","trigger_pod_uid":"u1",)"
      R"("trigger_pod_labels":{"app":"web","team":"a"},"trigger_pod_annotations":{"note":"n"},)"
      R"("trigger_owner":"StatefulSet/web")");
  CHECK(result->row.subjects[0] == SubjectRow{.role = "",
                                              .container_id = "c1",
                                              .container_name = "main",
                                              .namespace_name = "shop",
                                              .pod_name = "web-0",
                                              .pod_uid = "u1"});
}

TEST_CASE("events of known pods, of the host and of other containers do not wait") {
  Waiting bench;
  bench.pods.Set(WebPod());
  Node node(bench.shared());
  node.Join();
  CHECK(node.Say(Of(1, 2)) == "read");
  node.Await("sequence: 2");
  CHECK(node.Say(Events(3, 3)) == "read");
  CHECK(node.Say(Of(4, 4, "docker", "")) == "read");
  node.Await("sequence: 4");
  CHECK(bench.Told() == "1 web-0/main\n2 web-0/main\n3 \n4 /\n");
}

TEST_CASE("an event waits for its pod, what follows waits behind it, other nodes do not") {
  Waiting bench;
  Node node(bench.shared());
  node.Join();
  CHECK(node.Say(Of(1, 1)) == "read");
  CHECK(node.Say(Events(2, 3)) == "read");
  Node other(bench.shared());
  other.Join(TestHello("b"));
  CHECK(other.Say(Events(1, 2, "b")) == "read");
  other.Await("sequence: 2");
  CHECK(bench.Stored("a").empty());
  CHECK(bench.Own("huatuo_apiserver_kube_waiting_bytes") > 0);
  // Of the pod alone the container's name is not known yet.
  Pod without = WebPod();
  without.containers[0].ids.clear();
  without.resource_version = "0";
  bench.pods.Set(without);
  bench.waits->Advance();
  CHECK(bench.Stored("a").empty());
  bench.pods.Set(WebPod());
  node.Await("sequence: 3");
  CHECK(bench.Stored("a") == "a 1 oom\na 2 oom\na 3 oom\n");
  CHECK(bench.Told().find("1 web-0/main\n") != std::string::npos);
  CHECK(bench.Outcome("completed") == 1);
  bench.AwaitNothingWaits();
}

TEST_CASE("after some seconds it is stored with what the node knows, and not waited for again") {
  Waiting bench;
  Node node(bench.shared());
  node.Join();
  CHECK(node.Say(Of(1, 1)) == "read");
  bench.waits->Advance();
  CHECK(bench.Stored().empty());
  bench.clock.boot_ns += 5 * kSecond;
  node.Await("sequence: 1");
  CHECK(node.Say(Of(2, 2)) == "read");
  node.Await("sequence: 2");
  CHECK(bench.Told() == "1 /\n2 /\n");
  CHECK(bench.Outcome("timed_out") == 1);
  CHECK(bench.Outcome("given_up") == 1);
  // Ten minutes later it is worth a wait again.
  bench.clock.boot_ns += 601 * kSecond;
  CHECK(node.Say(Of(3, 3)) == "read");
  bench.pods.Set(WebPod());
  node.Await("sequence: 3");
  CHECK(bench.Told() == "1 /\n2 /\n3 web-0/main\n");
}

TEST_CASE("what is too much to wait goes on, the oldest first") {
  const size_t one = Of(1, 1).entries().ByteSizeLong();
  Waiting bench({.max_stream_bytes = 2 * one + one / 2});
  Node node(bench.shared());
  node.Join();
  CHECK(node.Say(Of(1, 1)) == "read");
  CHECK(node.Say(Of(2, 2)) == "read");
  CHECK(bench.Stored().empty());
  CHECK(node.Say(Of(3, 3)) == "read");
  node.Await("sequence: 1");
  CHECK(bench.Told() == "1 /\n");
  CHECK(bench.Outcome("overflow") == 1);
  bench.pods.Set(WebPod());
  node.Await("sequence: 3");
  CHECK(bench.Told() == "1 /\n2 web-0/main\n3 web-0/main\n");
}

TEST_CASE("what waited when its stream ended is sent again") {
  Waiting bench;
  {
    Node node(bench.shared());
    node.Join();
    CHECK(node.Say(Of(1, 2)) == "read");
  }
  bench.AwaitNothingWaits();
  bench.pods.Set(WebPod());
  Node again(bench.shared());
  CHECK(again.Join() == 0);
  CHECK(again.Say(Of(1, 2)) == "read");
  again.Await("sequence: 2");
  CHECK(bench.Told() == "1 web-0/main\n2 web-0/main\n");
}

TEST_CASE("a rule that is broken by what waits behind ends the stream, later") {
  Waiting bench;
  Node node(bench.shared());
  node.Join();
  CHECK(node.Say(Of(1, 1)) == "read");
  CHECK(node.Say(Events(7, 8)) == "read");
  CHECK(node.Say(Events(9, 9)) == "read");
  bench.pods.Set(WebPod());
  CHECK(node.Await("end: ").find("INVALID_ARGUMENT") != std::string::npos);
  CHECK(bench.Own("huatuo_apiserver_streams_refused_total") == 1);
  bench.AwaitNothingWaits();
}

TEST_CASE("a stream is paused by what it sends, not by what had waited") {
  Waiting bench({}, {.max_queue_bytes = 1, .first_pause = std::chrono::milliseconds(1)});
  bench.appender.Refuse(Unavailable("full"));
  Node node(bench.shared());
  node.Join();
  CHECK(node.Say(Of(1, 1)) == "read");
  bench.pods.Set(WebPod());
  node.Await("slow_down");
  bench.appender.Refuse(absl::OkStatus());
  CHECK(node.Await("keeps up").find("resume") == std::string::npos);
  bench.appender.Refuse(Unavailable("full"));
  CHECK(node.Say(Of(2, 2)) == "pause");
  bench.appender.Refuse(absl::OkStatus());
  node.Await("resume");
}

}  // namespace
}  // namespace huatuo
