// The Kafka sink against librdkafka's mock cluster, which speaks the protocol over loopback but is
// no broker: replication, retention and access control are not what these tests see.
#include "apiserver/sink/kafka_sink.h"

#include <librdkafka/rdkafka.h>
// After it, as it says.
#include <librdkafka/rdkafka_mock.h>
#include <librdkafka/rdkafkacpp.h>

#include <algorithm>
#include <fstream>

#include "test/apiserver/store/fixture.h"

namespace huatuo {
namespace {

constexpr int kProduce = 0;  // of the protocol's requests

// What librdkafka makes of `test.mock.num.brokers`, with a handle to disturb it.
class MockCluster {
 public:
  explicit MockCluster(int brokers) {
    char error[256];
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof(error));
    REQUIRE(handle_ != nullptr);
    cluster_ = rd_kafka_mock_cluster_new(handle_, brokers);
    REQUIRE(cluster_ != nullptr);
    rd_kafka_mock_topic_create(cluster_, "huatuo.events", 4, brokers);
  }
  ~MockCluster() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  void FailProduce(rd_kafka_resp_err_t error) {
    rd_kafka_mock_push_request_errors(cluster_, kProduce, 1, error);
  }
  void Down(int broker) { rd_kafka_mock_broker_set_down(cluster_, broker); }
  void Up(int broker) { rd_kafka_mock_broker_set_up(cluster_, broker); }

 private:
  rd_kafka_t* handle_;
  rd_kafka_mock_cluster_t* cluster_;
};

struct Record {
  int partition;
  std::string key;
  std::string value;
  std::string headers;
};

// Reads the topic from the beginning until `count` messages have come.
std::vector<Record> Consume(const MockCluster& cluster, size_t count) {
  std::string error;
  const std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  conf->set("bootstrap.servers", cluster.address(), error);
  conf->set("group.id", "test", error);
  const std::unique_ptr<RdKafka::KafkaConsumer> consumer(
      RdKafka::KafkaConsumer::create(conf.get(), error));
  REQUIRE(consumer != nullptr);
  std::vector<RdKafka::TopicPartition*> partitions;
  for (int i = 0; i < 4; ++i) {
    partitions.push_back(RdKafka::TopicPartition::create("huatuo.events", i, 0));
  }
  consumer->assign(partitions);
  RdKafka::TopicPartition::destroy(partitions);
  std::vector<Record> found;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (found.size() < count && std::chrono::steady_clock::now() < deadline) {
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(100));
    if (message->err() != RdKafka::ERR_NO_ERROR) continue;
    std::string headers;
    for (const RdKafka::Headers::Header& header : message->headers()->get_all()) {
      headers += fmt::format("{}={} ", header.key(), header.value_string());
    }
    found.push_back({message->partition(),
                     *message->key(),
                     {static_cast<const char*>(message->payload()), message->len()},
                     headers});
  }
  consumer->close();
  return found;
}

std::vector<StoredEvent> Events(const std::string& node, uint64_t first, uint64_t last) {
  std::vector<StoredEvent> events;
  for (uint64_t s = first; s <= last; ++s) {
    events.push_back({s, MakeEvent(node, s), node, 1'000'000'000});
    events.back().row.document = fmt::format("{{\"{}\":{}}}", node, s);
  }
  return events;
}

// The values with this key, in the order of their partition.
std::string Of(const std::vector<Record>& messages, const std::string& key) {
  std::string out;
  for (const Record& message : messages) {
    if (message.key == key) out += message.value;
  }
  return out;
}

}  // namespace

TEST_CASE("kafka: keyed by node, the document as the value, in order") {
  const MockCluster cluster(3);
  const auto sink = Get(KafkaSink::Open({.brokers = cluster.address()}));
  std::vector<StoredEvent> events = Events("a", 1, 3);
  for (const StoredEvent& event : Events("b", 1, 2)) events.push_back(event);
  CHECK(Get(sink->Deliver(events)) == 0);
  const std::vector<Record> found = Consume(cluster, 5);
  CHECK(found.size() == 5);
  CHECK(Of(found, "a") == R"({"a":1}{"a":2}{"a":3})");
  CHECK(Of(found, "b") == R"({"b":1}{"b":2})");
  const auto first = std::find_if(found.begin(), found.end(),
                                  [](const Record& m) { return m.value == R"({"a":3})"; });
  REQUIRE(first != found.end());
  CHECK(first->headers == "tracer_id=a-00000003 tracer_name=oom ");
}

TEST_CASE("kafka: a request that fails in passing is repeated by the producer, once stored") {
  MockCluster cluster(1);
  const auto sink = Get(KafkaSink::Open({.brokers = cluster.address()}));
  cluster.FailProduce(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
  CHECK(Get(sink->Deliver(Events("a", 1, 3))) == 0);
  CHECK(Get(sink->Deliver(Events("a", 4, 4))) == 0);
  CHECK(Of(Consume(cluster, 4), "a") == R"({"a":1}{"a":2}{"a":3}{"a":4})");
}

TEST_CASE("kafka: without brokers a delivery is unavailable; the next one finds them again") {
  MockCluster cluster(1);
  const auto sink = Get(
      KafkaSink::Open({.brokers = cluster.address(), .timeout = std::chrono::milliseconds(2000)}));
  cluster.Down(1);
  CHECK(sink->Deliver(Events("a", 1, 2)).status().code() == absl::StatusCode::kUnavailable);
  cluster.Up(1);
  CHECK(Get(sink->Deliver(Events("a", 1, 2))) == 0);
  CHECK(Of(Consume(cluster, 2), "a") == R"({"a":1}{"a":2})");
}

TEST_CASE("kafka: a message that is too large is left out and told") {
  MockCluster cluster(1);
  const auto sink = Get(KafkaSink::Open({.brokers = cluster.address()}));
  std::vector<StoredEvent> events = Events("a", 1, 3);
  events[1].row.document = std::string(2'000'000, 'x');
  CHECK(Get(sink->Deliver(events)) == 1);
  CHECK(Of(Consume(cluster, 2), "a") == R"({"a":1}{"a":3})");
}

TEST_CASE("kafka: properties are checked, and their values never told") {
  const TempDir folder;
  KafkaSinkOptions options{.brokers = "127.0.0.1:1", .properties_file = folder / "properties"};
  CHECK(Message(KafkaSink::Open(options).status()) ==
        fmt::format("sink.kafka.properties_file {}: cannot be read", options.properties_file));
  std::ofstream(options.properties_file) << "# ours\n\nsasl.secret=hush\n";
  CHECK(Message(KafkaSink::Open(options).status()) ==
        "sink.kafka: sasl.secret: librdkafka does not take it");
  std::ofstream(options.properties_file) << "client.id=me\nhush\n";
  CHECK(Message(KafkaSink::Open(options).status()) ==
        fmt::format("{}:2: accepted are lines key=value", options.properties_file));
}

}  // namespace huatuo
