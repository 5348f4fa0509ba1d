// The families that collectors send, as the first part of docs/metrics.md.
#include <fmt/ranges.h>

#include <cctype>
#include <cstdio>
#include <map>
#include <set>

#include "collector/catalog.h"
#include "collector/unit.h"
#include "test/docs/metric_table.h"

namespace huatuo {
namespace {

std::string TypeWord(v1::MetricType::Type type) {
  std::string word = v1::MetricType::Type_Name(type);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

std::string LabelList(const MetricType& metric) {
  std::string labels;
  for (const std::string_view label : metric.labels) {
    labels += fmt::format("{}`{}`", labels.empty() ? "" : ", ", label);
  }
  return labels;
}

std::string SourceCell(const Unit& unit, const MetricSource& source) {
  return fmt::format("[{0}](units.md#{0}): {1}", unit.name, source.from);
}

// All families behind one prefix whose names are the kernel's.
struct Pattern {
  const Unit* unit = nullptr;
  std::set<std::string> types;
  size_t families = 0;
  size_t on_request = 0;
};

class Tables {
 public:
  void Add(const Unit& unit) {
    for (const MetricType& metric : unit.metrics) Add(unit, metric);
  }

  std::string Text() const {
    std::vector<MetricRow> patterns;
    for (const auto& [source, pattern] : patterns_) patterns.push_back(Row(*source, pattern));
    return MetricTable("Names of the kernel", patterns) + MetricTable("Node", node_) +
           MetricTable("Container", container_) + MetricTable("Collector", collector_);
  }

 private:
  void Add(const Unit& unit, const MetricType& metric) {
    const MetricSource& source = *SourceOf(unit.sources, metric.name);
    if (source.kernel_names) {
      Pattern& pattern = patterns_[&source];
      pattern.unit = &unit;
      pattern.types.insert(TypeWord(metric.type));
      ++pattern.families;
      if (metric.on_request) ++pattern.on_request;
      return;
    }
    std::vector<MetricRow>& table = metric.name.starts_with("huatuo_collector_") ? collector_
                                    : metric.container                           ? container_
                                                                                 : node_;
    table.push_back({std::string(metric.name), TypeWord(metric.type), LabelList(metric),
                     std::string(metric.help) + (metric.on_request ? " On request." : ""),
                     SourceCell(unit, source)});
  }

  static MetricRow Row(const MetricSource& source, const Pattern& pattern) {
    return {
        std::string(source.prefix) + "*", fmt::format("{}", fmt::join(pattern.types, ", ")), "",
        fmt::format("{} families, {} of them on request.", pattern.families, pattern.on_request),
        SourceCell(*pattern.unit, source)};
  }

  std::map<const MetricSource*, Pattern> patterns_;
  std::vector<MetricRow> node_, container_, collector_;
};

constexpr std::string_view kIntroduction =
    R"(# Metrics

Every family on `/metrics`, made from the code by `metrics_doc_collector` and `metrics_doc_apiserver`; a test compares it. The source is the unit of the collector and the
file, hook or call that it asks; of several hooks those that the kernel has. `huatuo_node_*` and `huatuo_collector_*` also have the labels `node` and `region`,
`huatuo_container_*` these and `namespace`, `pod`, `container`, `container_id`, `qos`; `huatuo_apiserver_*` none but those given. Histograms have powers of two as bounds, but for those of the
apiserver. What is on request is sent where `metrics.include` names it. A unit of 1 is a number of things; that of a kernel's name is in its help in [units.md](units.md).
What to be woken up for: [alerts.md](alerts.md).

A family whose name follows one of the patterns of the first table keeps the kernel's name and meaning, and is untyped where the kernel does not tell a counter from a gauge. They are the only ones about
which `promtool check metrics` may complain.

)";

}  // namespace
}  // namespace huatuo

int main() {
  huatuo::Tables tables;
  for (const huatuo::Unit* unit : huatuo::AllUnits()) tables.Add(*unit);
  std::fputs((std::string(huatuo::kIntroduction) + tables.Text()).c_str(), stdout);
  return 0;
}
