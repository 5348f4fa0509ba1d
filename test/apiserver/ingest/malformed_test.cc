#include <algorithm>
#include <functional>
#include <random>

#include "test/apiserver/ingest/fixture.h"

namespace huatuo {
namespace {

std::string Hello(const std::function<void(v1::Hello&)>& change) {
  Bench bench;
  Node node(bench);
  v1::Hello hello = TestHello();
  change(hello);
  return node.Say(HelloMessage(hello));
}

TEST_CASE("a hello that breaks a rule is refused with the field") {
  CHECK(Hello([](v1::Hello& h) { h.set_protocol(2); }) ==
        "INVALID_ARGUMENT: hello: protocol: 2: accepted is 1");
  const std::string name = "INVALID_ARGUMENT: hello: node: not 1 to 253 of [A-Za-z0-9._-]";
  for (const std::string& bad : {std::string(), std::string("a/b"), std::string(254, 'a')}) {
    CHECK(Hello([&](v1::Hello& h) { h.set_node(bad); }) == name);
  }
  CHECK(Hello([](v1::Hello& h) { h.set_epoch("short"); }) ==
        "INVALID_ARGUMENT: hello: epoch: 5 bytes: not 16");
  CHECK(Hello([](v1::Hello& h) { h.set_catalog_sha256(""); }) ==
        "INVALID_ARGUMENT: hello: catalog_sha256: 0 bytes: not 32");
  CHECK(Hello([](v1::Hello& h) { h.set_next_sequence(0); }) ==
        "INVALID_ARGUMENT: hello: next_sequence: not in [1, 2^63)");
  CHECK(Hello([](v1::Hello& h) { h.set_region(std::string(300, 'x')); }) ==
        "INVALID_ARGUMENT: hello: region: 300 bytes: at most 253");
}

// What a node that has joined is answered.
std::string Joined(const v1::FromNode& message) {
  Bench bench;
  Node node(bench);
  node.Join();
  const std::string answer = node.Say(message);
  CHECK(bench.Own("huatuo_apiserver_streams_refused_total", "malformed") == (answer != "read"));
  return answer;
}

std::string Entry(const std::string& text) {
  return Joined(Parse<v1::FromNode>("entries { entries { " + text + " } }"));
}

TEST_CASE("messages out of order end the stream") {
  Bench bench;
  Node early(bench);
  CHECK(early.Say(Events(1, 1)) == "INVALID_ARGUMENT: entries: before hello");
  Node node(bench);
  node.Say(HelloMessage(TestHello()));
  CHECK(node.Say(Events(1, 1)) == "INVALID_ARGUMENT: entries: before the catalog");
  CHECK(node.Say(Parse<v1::FromNode>("metrics {}")) ==
        "INVALID_ARGUMENT: metrics: before the catalog");
  CHECK(node.Say(CatalogMessage({})) ==
        "INVALID_ARGUMENT: catalog: catalog: not the one of catalog_sha256");
  CHECK(Joined(HelloMessage(TestHello())) == "INVALID_ARGUMENT: hello: a second one");
  CHECK(Joined(CatalogMessage()) == "INVALID_ARGUMENT: catalog: not asked for");
  CHECK(Joined({}) == "INVALID_ARGUMENT: unknown: a message that is not known");
}

TEST_CASE("a catalog that is none is refused") {
  Bench bench;
  Node node(bench);
  const auto bad = Parse<v1::Catalog>("units { name: \"UPPER\" }");
  node.Say(HelloMessage(TestHello("a", bad)));
  CHECK(node.Say(CatalogMessage(bad)) ==
        "INVALID_ARGUMENT: catalog: catalog: unit \"UPPER\": not a name");
}

TEST_CASE("entries that break a rule end the stream with sequence and field") {
  const std::string prefix = "INVALID_ARGUMENT: entries: ";
  CHECK(Joined(Events(1, 1000)) == "read");
  CHECK(Joined(Events(1, 1001)) == prefix + "entries: 1001: at most 1000");
  CHECK(Joined(Events(2, 2)) ==
        prefix + "entry 2: sequence: beyond the high-water mark 0 and next_sequence 1");
  v1::FromNode hole = Events(1, 3);
  hole.mutable_entries()->mutable_entries()->DeleteSubrange(1, 1);
  CHECK(Joined(hole) == prefix + "entry 3: sequence: after 1");
  CHECK(Entry("") == prefix + "entry 0: sequence: 0: not in [1, 0]");
  CHECK(Entry("sequence: 9223372036854775808") ==
        prefix + "entry 9223372036854775808: sequence: above 2^63 - 1");
  CHECK(Entry("sequence: 1") == prefix + "entry 1: neither event nor gap nor not_observed");
  CHECK(Entry("sequence: 1 gap { first_sequence: 2 }") ==
        prefix + "entry 1: gap: first_sequence: 2: not in [1, 1]");
  CHECK(Entry("sequence: 1 event { unit: 9 }") == prefix + "entry 1: unit: 9: the catalog has 2");
  CHECK(Entry("sequence: 1 event { type: 9 }") == prefix + "entry 1: type: 9: unit oom has 1");
  CHECK(Entry("sequence: 1 event {}") == prefix + "entry 1: tracer_id: 0 bytes: not 16");
  CHECK(Joined(Parse<v1::FromNode>("metrics { end: 7 }")) ==
        "INVALID_ARGUMENT: metrics: end: series 7: unknown");
}

TEST_CASE("an event that is unfit is rejected, and those around it are stored") {
  Bench bench;
  Node node(bench);
  node.Join();
  const auto event = [&node](int sequence, const std::string& text) {
    const std::string id = "0123456789abcde" + std::to_string(sequence);
    CHECK(node.Say(Parse<v1::FromNode>("entries { entries { sequence: " + std::to_string(sequence) +
                                       " event { tracer_id: \"" + id + "\" " + text + " } } }")) ==
          "read");
  };
  event(1, "values { uint: 7 }");
  event(2, "values { text: \"x\" }");
  event(3, "subjects { role: \"Bad Role\" }");
  event(4, "task_id: \"" + std::string(257, 'x') + "\"");
  event(5, "subjects { role: \"waker\" } subjects { role: \"waker\" }");
  event(6, "values { uint: 8 }");
  node.Await("ack { sequence: 6 }");
  CHECK(bench.Stored() == "a 1 oom\na 6 oom\n");
  CHECK(bench.Rejected() ==
        "5 subjects: role: \"waker\" twice\n"
        "4 task_id: 257 bytes: at most 256\n"
        "3 subjects: role: not at most 32 bytes of [a-z_]\n"
        "2 oom: field victim_pid: not of type UINT\n");
  CHECK(bench.nodes.Find("a")->rejected == 4);
}

TEST_CASE("a message that cannot be parsed ends the stream") {
  Bench bench;
  Node node(bench);
  CHECK(node.SayBytes("\xFF\xFF") == "INVALID_ARGUMENT: unparsable: message: cannot be parsed");
  CHECK(bench.Own("huatuo_apiserver_ingest_messages_total", "unparsable") == 1);
}

std::vector<std::string> Seeds() {
  return {
      HelloMessage(TestHello()).SerializeAsString(),
      CatalogMessage().SerializeAsString(),
      Events(1, 3).SerializeAsString(),
      Parse<v1::FromNode>(
          "entries { entries { sequence: 5 gap { first_sequence: 1 cause: \"x\" } } }")
          .SerializeAsString(),
      Parse<v1::FromNode>(
          "metrics { announce { id: 1 } samples { ids: 1 values: 3 complete: true } }")
          .SerializeAsString(),
      Parse<v1::FromNode>("status { units { unit: \"oom\" state: RUNNING } }").SerializeAsString()};
}

void Mutate(std::string& bytes, std::mt19937& random) {
  const size_t changes = 1 + random() % 2;
  for (size_t i = 0; i < changes && !bytes.empty(); ++i) {
    const size_t at = random() % bytes.size();
    switch (random() % 3) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, 1 + random() % 8);
        break;
      default:
        bytes.insert(at, 1 + random() % 8, static_cast<char>(random()));
    }
  }
}

TEST_CASE("mutated messages either keep the rules or end their stream, and nothing else") {
  Bench bench;
  std::mt19937 random(20261121);
  const std::vector<std::string> seeds = Seeds();
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    Node node(bench);
    if (i % 8 != 0) node.Join(TestHello("n" + std::to_string(i % 50)));
    std::string bytes = seeds[random() % seeds.size()];
    Mutate(bytes, random);
    const std::string answer = node.SayBytes(bytes);
    if (answer == "read") {
      ++accepted;
    } else {
      ++refused;
      INFO(Hex(bytes));
      CHECK(answer.starts_with("INVALID_ARGUMENT: "));
    }
  }
  CHECK(accepted > 500);
  CHECK(refused > 5000);
  Node untouched(bench);
  untouched.Join(TestHello("healthy"));
  CHECK(untouched.Say(Events(1, 1, "healthy")) == "read");
  untouched.Await("ack");
  CHECK(bench.Stored("healthy") == "healthy 1 oom\n");
}

}  // namespace
}  // namespace huatuo
