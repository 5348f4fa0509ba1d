// What the collector costs: run time of its BPF programs, its own CPU time and memory.
//
// The kernel measures programs only while statistics are on, which itself costs some 20 ns a run;
// so they are on for one second in each interval (ten), and their ratios are those of that second.
// The collector's own CPU time costs nothing to measure: its ratio is that of the whole interval.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "collector/roster.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// Not thread-safe.
class Meter {
 public:
  // `interval_seconds` is at least 2.
  Meter(uint64_t shared_map_bytes, uint64_t interval_seconds);
  ~Meter();

  using Running = std::vector<Roster::Running>;

  // Call once a second. When a measured second has just ended, so that Fill tells news: the
  // instances that it was about. `all` is asked in two seconds of each interval.
  std::optional<Running> Tick(const std::function<Running()>& all);

  // Sets cost, memory and overhead in `status`.
  void Fill(v1::NodeStatus& status) const;

  double overhead_ratio() const { return overhead_ratio_; }

  // Share of the node's CPU that the programs of an instance took, as part of overhead_ratio. A
  // program that several instances share is that of the one that is always open.
  double ratio(const Roster::Running& instance) const;

 private:
  struct Reading {
    uint64_t runs = 0;
    uint64_t run_ns = 0;
    uint64_t recursion_misses = 0;
  };
  using Key = std::tuple<std::string, std::string, std::string>;  // unit, task, program
  using Readings = std::map<Key, Reading>;

  static Readings Read(const Running& running);
  void Begin(const Running& running);
  void End(const Running& running);
  void SumUp();

  const uint64_t shared_map_bytes_;
  const uint64_t interval_;
  uint64_t second_ = 0;
  int stats_fd_ = -1;
  Readings begin_;
  int64_t begin_ns_ = 0;
  int64_t cpu_since_ns_;
  double cpu_at_ = 0;
  std::map<Key, v1::ProgramCost> costs_;
  uint64_t map_bytes_ = 0;
  double overhead_ratio_ = 0;
};

}  // namespace huatuo
