#include <catch2/catch.hpp>

#include "collector/units/runqlat_wait.h"
#include "test/collector/units/metric_lines.h"

namespace huatuo {

extern const Unit kRunqlat;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

v1::Container Named(const std::string& id) {
  v1::Container container;
  container.set_id(id);
  return container;
}

std::string Written(RunqlatWait& wait, const v1::Container& container,
                    const SchedProbe::Histogram& histogram, int64_t boot_ns) {
  MetricLines lines(kRunqlat);
  wait.Write(container, histogram, boot_ns, lines);
  return lines.With("");
}

TEST_CASE("what a container waited for, as sums and as shares of the time since the last sample") {
  const v1::Container container = Named("a1a1");
  RunqlatWait wait;
  SchedProbe::Histogram histogram;
  histogram.behind_ns = {kSecond, 2 * kSecond, 0, kSecond / 1000, 0};
  histogram.switches = {7, 5};
  histogram.since_wall_ns = 1;
  const std::string sums =
      "huatuo_container_context_switches_total false [a1a1] 7\n"
      "huatuo_container_context_switches_total true [a1a1] 5\n";
  CHECK(Written(wait, container, histogram, 100 * kSecond) ==
        sums +
            "huatuo_container_cpu_wait_seconds_total idle [a1a1] 0.001\n"
            "huatuo_container_cpu_wait_seconds_total other [a1a1] 2\n"
            "huatuo_container_cpu_wait_seconds_total own [a1a1] 1\n"
            "huatuo_container_cpu_wait_seconds_total throttle [a1a1] 0\n"
            "huatuo_container_cpu_wait_seconds_total unknown [a1a1] 0\n");
  histogram.behind_ns[SCHED_BEHIND_OTHER] += 5 * kSecond;
  histogram.behind_ns[SCHED_BEHIND_THROTTLE] += 20 * kSecond;
  CHECK(Written(wait, container, histogram, 110 * kSecond) ==
        sums +
            "huatuo_container_cpu_wait_ratio other [a1a1] 0.5\n"
            "huatuo_container_cpu_wait_ratio own [a1a1] 0\n"
            "huatuo_container_cpu_wait_ratio throttle [a1a1] 2\n"
            "huatuo_container_cpu_wait_seconds_total idle [a1a1] 0.001\n"
            "huatuo_container_cpu_wait_seconds_total other [a1a1] 7\n"
            "huatuo_container_cpu_wait_seconds_total own [a1a1] 1\n"
            "huatuo_container_cpu_wait_seconds_total throttle [a1a1] 20\n"
            "huatuo_container_cpu_wait_seconds_total unknown [a1a1] 0\n");
}

TEST_CASE("another container at the same place has no share before its second sample") {
  const v1::Container container = Named("b2b2");
  RunqlatWait wait;
  SchedProbe::Histogram histogram;
  histogram.behind_ns[SCHED_BEHIND_OWN] = 9 * kSecond;
  histogram.since_wall_ns = 1;
  Written(wait, container, histogram, 100 * kSecond);
  histogram = {};
  histogram.since_wall_ns = 2;
  CHECK(Written(wait, container, histogram, 110 * kSecond).find("ratio") == std::string::npos);
  CHECK(Written(wait, container, histogram, 110 * kSecond).find("ratio") == std::string::npos);
  CHECK(Written(wait, container, histogram, 120 * kSecond).find("ratio own [b2b2] 0\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace huatuo
