// Files of "key value" lines as tables: a key is a row, a row is a metric.
#pragma once

#include <array>
#include <string_view>

#include "collector/unit.h"

namespace huatuo {

// Whose series are sent unless the settings say otherwise.
enum class Default { kSent, kOfNode, kOnRequest };

struct KeyRow {
  std::string_view key;  // in the kernel's file
  std::string_view help;
  Default sent = Default::kSent;
  std::string_view name = {};  // in the metric's name; empty: the key itself
  constexpr std::string_view Name() const { return name.empty() ? key : name; }
};

template <size_t N>
struct FixedText {
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is to be written as template argument
  consteval FixedText(const char (&text)[N]) { std::copy_n(text, N, chars); }
  constexpr std::string_view view() const { return {chars, N - 1}; }
  char chars[N];
};

struct RowType {
  v1::MetricType::Type type = v1::MetricType::UNTYPED;
  bool container = false;
  const std::string_view* label = nullptr;  // the only one; null: none
};

// The metrics of a table, in its order: <kPrefix><name>, written out by the compiler.
template <const auto& kRows, FixedText kPrefix, RowType kType>
class RowMetrics {
 private:
  static consteval size_t TextBytes() {
    size_t bytes = 0;
    for (const KeyRow& row : kRows) bytes += kPrefix.view().size() + row.Name().size();
    return bytes;
  }
  static constexpr std::array<char, TextBytes()> kText = [] {
    std::array<char, TextBytes()> text{};
    auto end = text.begin();
    for (const KeyRow& row : kRows) {
      end = std::copy(kPrefix.view().begin(), kPrefix.view().end(), end);
      end = std::copy(row.Name().begin(), row.Name().end(), end);
    }
    return text;
  }();

 public:
  static constexpr auto kMetrics = [] {
    std::array<MetricType, std::size(kRows)> metrics{};
    size_t begin = 0;
    for (size_t i = 0; i < metrics.size(); ++i) {
      const KeyRow& row = kRows[i];
      const size_t size = kPrefix.view().size() + row.Name().size();
      metrics[i].name = {kText.data() + begin, size};
      metrics[i].help = row.help;
      metrics[i].type = kType.type;
      metrics[i].container = kType.container;
      if (kType.label != nullptr) metrics[i].labels = {kType.label, 1};
      metrics[i].on_request =
          row.sent == Default::kOnRequest || (row.sent == Default::kOfNode && kType.container);
      begin += size;
    }
    return metrics;
  }();
};

// One table after another, as a unit declares its metrics.
template <size_t... kSizes>
consteval auto Concatenate(const std::array<MetricType, kSizes>&... tables) {
  std::array<MetricType, (kSizes + ...)> all{};
  auto end = all.begin();
  ((end = std::copy(tables.begin(), tables.end(), end)), ...);
  return all;
}

}  // namespace huatuo
