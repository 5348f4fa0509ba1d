// Events into a topic of Kafka, by librdkafka: docs/sinks.md has the schema.
//
// The producer is idempotent and waits for all replicas in sync; a batch counts as delivered when
// each of its messages has a delivery report that says so. Memory is bounded by the batch. Whatever
// fails for good (an idempotent producer that lost its place) is answered with a new producer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "apiserver/sink/sink.h"

namespace huatuo {

struct KafkaSinkOptions {
  std::string brokers{};  // host:port,host:port
  std::string topic = "huatuo.events";
  // Lines `key=value` of librdkafka's configuration (TLS, SASL, ...): a file, since they may be
  // secrets. Empty: none.
  std::string properties_file{};
  std::chrono::milliseconds timeout{30'000};  // of one delivery
};

class KafkaSink : public Sink {
 public:
  // InvalidArgument, naming the property, when librdkafka does not take one. Brokers that cannot be
  // reached are found out by Deliver.
  static absl::StatusOr<std::unique_ptr<KafkaSink>> Open(const KafkaSinkOptions& options);
  ~KafkaSink() override;

  std::string_view name() const override { return "kafka"; }
  absl::StatusOr<uint64_t> Deliver(std::span<const StoredEvent> events) override;

 private:
  struct Producer;
  KafkaSink(KafkaSinkOptions options, std::unique_ptr<Producer> producer);

  const KafkaSinkOptions options_;
  std::unique_ptr<Producer> producer_;  // null: one is to be made
};

}  // namespace huatuo
