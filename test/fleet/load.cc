#include "test/fleet/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/id.h"

namespace huatuo {
namespace {

constexpr int kSeriesOfMessage = 2000;  // well below the largest message

std::string Bytes(v1::MetricBatch batch) {
  v1::FromNode message;
  *message.mutable_metrics() = std::move(batch);
  return message.SerializeAsString();
}

}  // namespace

Load::Load(Captured captured, uint64_t series) : events_(std::move(captured.events)) {
  catalog_sha256_ = Sha256(captured.catalog.SerializeAsString());
  v1::FromNode message;
  *message.mutable_catalog() = captured.catalog;
  catalog_ = message.SerializeAsString();
  v1::MetricBatch batch;
  const auto flush = [&] { announcements_.push_back(Bytes(std::exchange(batch, {}))); };
  for (uint64_t instance = 0; instance == 0 || this->series() < series; ++instance) {
    for (int u = 0; u < captured.catalog.units_size(); ++u) {
      const v1::Unit& unit = captured.catalog.units(u);
      for (int m = 0; m < unit.metrics_size(); ++m) {
        const v1::MetricType& type = unit.metrics(m);
        if (instance > 0 && (!type.container() || this->series() >= series)) continue;
        Add(batch, static_cast<uint32_t>(u), static_cast<uint32_t>(m), type, instance);
        if (batch.announce_size() == kSeriesOfMessage) flush();
      }
    }
  }
  flush();
}

void Load::Add(v1::MetricBatch& batch, uint32_t unit, uint32_t metric, const v1::MetricType& type,
               uint64_t instance) {
  v1::SeriesAnnounce& one = *batch.add_announce();
  const auto id = static_cast<uint32_t>(series() + 1);
  one.set_id(id);
  one.set_unit(unit);
  one.set_metric(metric);
  for (const std::string& label : type.labels()) one.add_label_values(label + "-value");
  if (type.container()) {
    one.mutable_container()->set_id(fmt::format("{:064x}", 0xc0ffee00 + instance));
    one.mutable_container()->set_name(fmt::format("app-{}", instance));
    one.mutable_container()->set_qos("burstable");
  }
  if (type.type() == v1::MetricType::HISTOGRAM) {
    histograms_.push_back({id, type.buckets() + 1});
    samples_ += type.buckets() + 3;
  } else {
    plain_.push_back(id);
    ++samples_;
  }
}

std::vector<std::string> Load::Round(uint64_t round, int64_t time_ns) const {
  std::vector<std::string> messages;
  v1::MetricBatch batch;
  const auto flush = [&](bool complete) {
    batch.mutable_samples()->set_round(round);
    batch.mutable_samples()->set_time_ns(time_ns);
    batch.mutable_samples()->set_complete(complete);
    messages.push_back(Bytes(std::exchange(batch, {})));
  };
  for (const uint32_t id : plain_) {
    batch.mutable_samples()->add_ids(id);
    batch.mutable_samples()->add_values(static_cast<double>(round * 1000 + id));
    if (batch.samples().ids_size() == kSeriesOfMessage) flush(false);
  }
  for (const Histogram& histogram : histograms_) {
    v1::HistogramSample& sample = *batch.mutable_samples()->add_histograms();
    sample.set_id(histogram.id);
    for (uint32_t i = 0; i < histogram.numbers; ++i) sample.add_cumulative(round * (i + 1));
    sample.set_sum(static_cast<double>(round));
  }
  flush(true);
  return messages;
}

}  // namespace huatuo
