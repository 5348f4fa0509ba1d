// Keeps the overhead below its budget by ending tasks, the costliest first, and then by giving
// units up, in their declared order.
//
// Pure state: fed with each measurement, it answers with at most one step. Over the budget three
// times in a row: the running unit with the smallest shed_order goes, of several the costliest. A
// burst of less than two measurements' time is never a reason. The first measurement, and the first
// after each step, holds the cost of loading programs and does not count.
//
// A unit comes back, the last one first, when its hold time is over and the overhead with what its
// programs cost before is under 70% of the budget. What they would cost now nobody knows: so after
// ten hold times it is enough that there is room without them. The hold time doubles each time
// that the same unit has to go again, up to an hour, so that nothing flaps; a unit that stayed for
// an hour begins anew.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace huatuo {

class Governor {
 public:
  struct Candidate {
    std::string unit;
    int order = 0;     // 0: never given up
    double ratio = 0;  // its part of the overhead
    // Of a task: goes before all units when that saves a twentieth of the budget, and does not come
    // back.
    std::string task_id{};
  };
  struct Step {
    bool shed = false;  // or restore
    std::string unit;
    std::string task_id;   // what ends is this task, not the unit
    int64_t since_ns = 0;  // of a restore: when it was given up
    std::string reason;
  };

  Governor(double budget_ratio, int64_t hold_ns) : budget_(budget_ratio), min_hold_ns_(hold_ns) {}

  // One measurement at `now_ns` (monotonic) with the units that run.
  std::optional<Step> Update(double overhead_ratio, const std::vector<Candidate>& running,
                             int64_t now_ns);

  std::vector<std::string> shed() const;
  double budget() const { return budget_; }

 private:
  struct Given {
    std::string unit;
    int64_t since_ns;
    double ratio;
  };
  struct Hold {
    int64_t ns = 0;
    int64_t restored_ns = 0;
  };
  std::optional<Step> MayRestore(double overhead_ratio, int64_t now_ns);
  Step Shed(const Candidate& unit, double overhead_ratio, int64_t now_ns);

  const double budget_;
  const int64_t min_hold_ns_;
  int skip_ = 1;
  int over_ = 0;
  std::vector<Given> given_;           // in the order in which they went
  std::map<std::string, Hold> holds_;  // by unit
};

}  // namespace huatuo
