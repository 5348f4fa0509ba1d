// A table of docs/metrics.md.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace huatuo {

struct MetricRow {
  std::string name;
  std::string type;
  std::string labels;
  std::string help;
  std::string source;
};

// By the name alone, as Prometheus wants it: huatuo_node_memory_direct_reclaim_seconds_total.
inline std::string_view UnitOf(std::string_view name) {
  constexpr std::string_view kTotal = "_total";
  if (name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
  for (const std::string_view unit : {"seconds", "bytes", "ratio", "pages"}) {
    if (name.ends_with(unit) && name.size() > unit.size()) return unit;
  }
  return name.ends_with('*') ? "" : "1";
}

// A cell ends at a bar.
inline std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

// Sorted by name.
inline std::string MetricTable(std::string_view title, std::vector<MetricRow> rows) {
  std::sort(rows.begin(), rows.end(),
            [](const MetricRow& a, const MetricRow& b) { return a.name < b.name; });
  std::string text =
      fmt::format("## {}\n\n| name | type | unit | labels | help | source |\n", title);
  text += "| --- | --- | --- | --- | --- | --- |\n";
  for (const MetricRow& row : rows) {
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", row.name, row.type, UnitOf(row.name),
                        row.labels, Cell(row.help), row.source);
  }
  return text + "\n";
}

}  // namespace huatuo
