#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kPressure;

namespace {

std::string Some(int total) {
  return fmt::format("some avg10=1.14 avg60=17.20 avg300=17.81 total={}\n", total);
}
std::string Full(int total) {
  return fmt::format("full avg10=0.00 avg60=0.00 avg300=0.00 total={}\n", total);
}

void Host(const UnitBench& bench) {
  bench.tree.Make("/proc/pressure");
  bench.tree.Write("/proc/pressure/cpu", Some(1'500'000));
  bench.tree.Write("/proc/pressure/memory", Some(2'000'000) + Full(1'000'000));
  bench.tree.Write("/proc/pressure/io", Some(3'250'000) + Full(250'000));
}

TEST_CASE("pressure of the host, and of a container as kernel 6.1 counts it") {
  UnitBench bench(kPressure, "v2-systemd-containerd");
  Host(bench);
  bench.tree.Write("/proc/pressure/irq", Full(750'000));
  bench.tree.Write(kContainerA + "/cpu.pressure", Some(1'000'000) + Full(500'000));
  bench.tree.Write(kContainerA + "/irq.pressure", Full(125'000));
  const MetricLines round = bench.Round();
  CHECK(round.With("_node_") ==
        "huatuo_node_pressure_seconds_total cpu some 1.5\n"
        "huatuo_node_pressure_seconds_total io full 0.25\n"
        "huatuo_node_pressure_seconds_total io some 3.25\n"
        "huatuo_node_pressure_seconds_total irq full 0.75\n"
        "huatuo_node_pressure_seconds_total memory full 1\n"
        "huatuo_node_pressure_seconds_total memory some 2\n");
  CHECK(round.With("_container_") ==
        "huatuo_container_pressure_seconds_total cpu full [a1a1] 0.5\n"
        "huatuo_container_pressure_seconds_total cpu some [a1a1] 1\n"
        "huatuo_container_pressure_seconds_total io full [a1a1] 0.053439\n"
        "huatuo_container_pressure_seconds_total io some [a1a1] 0.053439\n"
        "huatuo_container_pressure_seconds_total irq full [a1a1] 0.125\n"
        "huatuo_container_pressure_seconds_total memory full [a1a1] 0.569937\n"
        "huatuo_container_pressure_seconds_total memory some [a1a1] 0.569937\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("what the host does not account for is not looked for in a container") {
  UnitBench bench(kPressure, "v2-systemd-containerd");
  Host(bench);
  bench.tree.Write(kContainerA + "/irq.pressure", "cut");
  CHECK(bench.Round().With(" irq ").empty());
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("on a hybrid host the containers' pressure is that of v2") {
  UnitBench bench(kPressure, "hybrid-systemd-crio");
  Host(bench);
  bench.tree.Write(
      "/sys/fs/cgroup/unified/kubepods.slice/"
      "kubepods-pod0a1b2c3d_0000_1111_2222_333344445555.slice/"
      "crio-a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1.scope/io.pressure",
      Some(7'000'000) + Full(0));
  CHECK(bench.Round().With("_container_") ==
        "huatuo_container_pressure_seconds_total io full [a1a1] 0\n"
        "huatuo_container_pressure_seconds_total io some [a1a1] 7\n");
}

TEST_CASE("a bad file costs its own sample alone, and is counted") {
  UnitBench bench(kPressure, "v2-systemd-containerd");
  Host(bench);
  const auto after = [&](const std::string& text) {
    bench.tree.Write("/proc/pressure/io", text);
    const MetricLines round = bench.Round();
    CHECK(round.With("node_pressure_seconds_total cpu some") ==
          "huatuo_node_pressure_seconds_total cpu some 1.5\n");
    return round.With("node_pressure_seconds_total io");
  };
  CHECK(after("").empty());
  CHECK(after("some avg10=0.00").empty());
  CHECK(after(Some(1) + "full avg10=0.00 avg60=0.00 avg300=0.00 total=").empty());
  CHECK(after(Some(1) + Full(1) + "more\n").empty());
  CHECK(after("some total=18446744073709551616\n").empty());
  CHECK(after("all avg10=0.00 total=1\n").empty());
  CHECK(after(std::string(1 << 20, 'x')).empty());
  CHECK(bench.losses.Text() == "malformed_file 7\n");
  CHECK(after(Some(0)) == "huatuo_node_pressure_seconds_total io some 0\n");
}

TEST_CASE("a kernel without pressure has no such unit") {
  UnitBench bench(kPressure, "v2-systemd-containerd");
  bench.tree.Remove("/proc/pressure");
  CHECK(kPressure.mechanisms[0]
            .open(OpenRequest(), bench.resources)
            .status()
            .ToString()
            .find("/proc/pressure") != std::string::npos);
}

}  // namespace
}  // namespace huatuo
