// A MetricWriter that keeps what it is told as one line for each series.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "collector/instance.h"

namespace huatuo {

class MetricLines : public MetricWriter {
 public:
  explicit MetricLines(const Unit& unit) : unit_(unit) {}

  void Set(size_t metric, std::span<const std::string_view> labels, const v1::Container* container,
           double value) override {
    std::string line(unit_.metrics[metric].name);
    for (const std::string_view label : labels) line += fmt::format(" {}", label);
    if (container != nullptr) {
      line += fmt::format(" [{}{}]", container->id().substr(0, 4), container->name());
    }
    lines_.push_back(line + fmt::format(" {:.6g}\n", value));
  }

  void SetHistogram(size_t, std::span<const std::string_view>, const v1::Container*,
                    std::span<const uint64_t>, double, int64_t) override {}

  // Those that contain `part`, sorted.
  std::string With(std::string_view part) const {
    std::vector<std::string> found;
    std::copy_if(lines_.begin(), lines_.end(), std::back_inserter(found),
                 [&](const auto& line) { return line.find(part) != std::string::npos; });
    std::sort(found.begin(), found.end());
    return fmt::format("{}", fmt::join(found, ""));
  }

 private:
  const Unit& unit_;
  std::vector<std::string> lines_;
};

}  // namespace huatuo
