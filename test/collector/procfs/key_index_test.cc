#include "collector/procfs/key_index.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

namespace huatuo {
namespace {

constexpr KeyRow kRows[] = {{"MemTotal", "", Default::kSent, "MemTotal_bytes"},
                            {"Active(anon)", "", Default::kSent, "Active_anon_bytes"},
                            {"nr_dirty", "", Default::kOnRequest},
                            {"MaxConn", "", Default::kOfNode}};

std::string Print(KeyIndex& index, std::string_view text) {
  const auto readings = index.Parse(text);
  if (!readings) return "malformed";
  std::string out;
  for (const KeyReading& one : *readings) out += fmt::format("{}={} ", one.row, one.value);
  return out;
}

TEST_CASE("lines of known keys, in any order, with kB as bytes") {
  KeyIndex index(kRows);
  CHECK(Print(index, "MemTotal:   4 kB\nActive(anon):  1 kB\nnr_dirty 7\n") ==
        "0=4096 1=1024 2=7 ");
  CHECK(Print(index, "nr_dirty 8\nMemTotal:   4 kB\n") == "2=8 0=4096 ");
  CHECK(Print(index, "new_key 1\n\nodd line here\nMaxConn -1\n") == "3=-1 ");
}

TEST_CASE("a file that is not whole, or whose number is none, is not believed") {
  KeyIndex index(kRows);
  CHECK(Print(index, "") == "malformed");
  CHECK(Print(index, "nr_dirty 7") == "malformed");
  CHECK(Print(index, "nr_dirty 7\nMemTot") == "malformed");
  CHECK(Print(index, "nr_dirty\n") == "malformed");
  CHECK(Print(index, "nr_dirty many\n") == "malformed");
  CHECK(Print(index, "nr_dirty 7x\n") == "malformed");
  CHECK(Print(index, "nr_dirty 18446744073709551615\n") == "2=1.8446744073709552e+19 ");
  CHECK(Print(index, "nr_dirty 18446744073709551616\n") == "malformed");
  CHECK(Print(index, "other 99999999999999999999999\n") == "");
}

TEST_CASE("a table's metrics carry prefix, type and what is sent") {
  std::string text;
  for (const MetricType& metric :
       RowMetrics<kRows, "huatuo_node_x_", RowType{v1::MetricType::GAUGE}>::kMetrics) {
    text += fmt::format("{} {} {}\n", metric.name, metric.type, metric.on_request);
  }
  for (const MetricType& metric :
       RowMetrics<kRows, "huatuo_container_x_", RowType{v1::MetricType::UNTYPED, true}>::kMetrics) {
    text += fmt::format("{} {} {}\n", metric.name, metric.container, metric.on_request);
  }
  CHECK(text ==
        "huatuo_node_x_MemTotal_bytes 2 false\n"
        "huatuo_node_x_Active_anon_bytes 2 false\n"
        "huatuo_node_x_nr_dirty 2 true\n"
        "huatuo_node_x_MaxConn 2 false\n"
        "huatuo_container_x_MemTotal_bytes true false\n"
        "huatuo_container_x_Active_anon_bytes true false\n"
        "huatuo_container_x_nr_dirty true true\n"
        "huatuo_container_x_MaxConn true true\n");
}

}  // namespace
}  // namespace huatuo
