#include "apiserver/sink/kafka_sink.h"

#include <fmt/format.h>
#include <librdkafka/rdkafkacpp.h>

#include <fstream>
#include <map>
#include <utility>

#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

using Properties = std::map<std::string, std::string>;
using Clock = std::chrono::steady_clock;

absl::Status ReadProperties(const std::string& path, Properties& properties) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path);
  if (!file) return NotFound(fmt::format("sink.kafka.properties_file {}: cannot be read", path));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    const size_t equal = line.find('=');
    if (equal == std::string::npos || equal == 0) {
      return InvalidArgument(fmt::format("{}:{}: accepted are lines key=value", path, number));
    }
    properties[line.substr(0, equal)] = line.substr(equal + 1);
  }
  return absl::OkStatus();
}

// A value may be a secret and is not told.
absl::StatusOr<std::unique_ptr<RdKafka::Conf>> MakeConf(const KafkaSinkOptions& options) {
  Properties properties = {{"bootstrap.servers", options.brokers},
                           {"client.id", "huatuo-apiserver"},
                           {"compression.type", "zstd"},
                           {"linger.ms", "5"},
                           {"queue.buffering.max.kbytes", "65536"}};
  RETURN_IF_ERROR(ReadProperties(options.properties_file, properties));
  // What the sink promises is not for choice.
  properties["enable.idempotence"] = "true";
  properties["delivery.timeout.ms"] = std::to_string(options.timeout.count());
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  for (const auto& [key, value] : properties) {
    std::string error;
    if (conf->set(key, value, error) != RdKafka::Conf::CONF_OK) {
      return InvalidArgument(fmt::format("sink.kafka: {}: librdkafka does not take it", key));
    }
  }
  return conf;
}

// What became of the messages of one delivery.
class Reports : public RdKafka::DeliveryReportCb, public RdKafka::EventCb {
 public:
  void dr_cb(RdKafka::Message& message) override {
    --outstanding;
    if (message.err() == RdKafka::ERR_MSG_SIZE_TOO_LARGE) {
      ++too_large;
    } else if (message.err() != RdKafka::ERR_NO_ERROR) {
      failure = message.errstr();
    }
  }
  // The delivery reports tell what counts; what librdkafka says beside them is why.
  void event_cb(RdKafka::Event& event) override {
    if (event.type() == RdKafka::Event::EVENT_ERROR) reason = event.str();
    if (event.type() == RdKafka::Event::EVENT_ERROR && event.fatal()) fatal = true;
  }
  void Begin() {
    outstanding = too_large = 0;
    failure.clear();
  }

  int64_t outstanding = 0;
  uint64_t too_large = 0;
  std::string failure;
  std::string reason;
  bool fatal = false;
};

}  // namespace

struct KafkaSink::Producer {
  static absl::StatusOr<std::unique_ptr<Producer>> Make(const KafkaSinkOptions& options) {
    ASSIGN_OR_RETURN(const std::unique_ptr<RdKafka::Conf> conf, MakeConf(options));
    auto producer = std::make_unique<Producer>();
    std::string error;
    conf->set("dr_cb", static_cast<RdKafka::DeliveryReportCb*>(&producer->reports), error);
    conf->set("event_cb", static_cast<RdKafka::EventCb*>(&producer->reports), error);
    producer->kafka.reset(RdKafka::Producer::create(conf.get(), error));
    if (producer->kafka == nullptr) return InvalidArgument("sink.kafka: " + error);
    return producer;
  }

  RdKafka::ErrorCode Produce(const std::string& topic, const StoredEvent& event) {
    constexpr int64_t kNsOfMs = 1'000'000;
    std::unique_ptr<RdKafka::Headers> headers(RdKafka::Headers::create());
    headers->add("tracer_id", event.row.tracer_id);
    headers->add("tracer_name", event.row.tracer_name);
    // The document is copied, since a message may outlive a delivery that is given up.
    const RdKafka::ErrorCode code = kafka->produce(
        topic, RdKafka::Topic::PARTITION_UA, RdKafka::Producer::RK_MSG_COPY,
        const_cast<char*>(event.row.document.data()), event.row.document.size(), event.node.data(),
        event.node.size(), event.uploaded_ns / kNsOfMs, headers.get(), nullptr);
    if (code == RdKafka::ERR_NO_ERROR) {
      (void)headers.release();  // librdkafka has them now
      ++reports.outstanding;
    }
    return code;
  }

  // Why the delivery failed; empty when it did not.
  std::string Flush(Clock::time_point deadline) {
    while (reports.outstanding > 0 && Clock::now() < deadline) kafka->poll(50);
    if (reports.outstanding > 0) {
      kafka->purge(RdKafka::Producer::PURGE_QUEUE | RdKafka::Producer::PURGE_INFLIGHT);
      kafka->flush(1000);
      return fmt::format("no answer in time: {}", reports.reason);
    }
    return reports.failure;
  }

  Reports reports;  // outlives what calls it
  std::unique_ptr<RdKafka::Producer> kafka;
};

KafkaSink::KafkaSink(KafkaSinkOptions options, std::unique_ptr<Producer> producer)
    : options_(std::move(options)), producer_(std::move(producer)) {}

KafkaSink::~KafkaSink() = default;

absl::StatusOr<std::unique_ptr<KafkaSink>> KafkaSink::Open(const KafkaSinkOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Producer> producer, Producer::Make(options));
  return std::unique_ptr<KafkaSink>(new KafkaSink(options, std::move(producer)));
}

absl::StatusOr<uint64_t> KafkaSink::Deliver(std::span<const StoredEvent> events) {
  if (producer_ == nullptr) {
    ASSIGN_OR_RETURN(producer_, Producer::Make(options_));
  }
  Reports& reports = producer_->reports;
  reports.Begin();
  uint64_t refused = 0;
  std::string failure;
  const Clock::time_point deadline = Clock::now() + options_.timeout;
  for (const StoredEvent& event : events) {
    RdKafka::ErrorCode code = producer_->Produce(options_.topic, event);
    while (code == RdKafka::ERR__QUEUE_FULL && Clock::now() < deadline) {
      producer_->kafka->poll(50);
      code = producer_->Produce(options_.topic, event);
    }
    if (code == RdKafka::ERR_MSG_SIZE_TOO_LARGE) {
      ++refused;
    } else if (code != RdKafka::ERR_NO_ERROR) {
      failure = RdKafka::err2str(code);
      break;
    }
  }
  if (const std::string late = producer_->Flush(deadline); failure.empty()) failure = late;
  const uint64_t too_large = refused + reports.too_large;
  if (reports.fatal || !failure.empty()) producer_.reset();
  if (!failure.empty()) return Unavailable(fmt::format("kafka {}: {}", options_.topic, failure));
  return too_large;
}

}  // namespace huatuo
