#include <catch2/catch.hpp>

#include "collector/units/cpu_files.h"
#include "common/status.h"
#include "test/bpf/cgroup_folder.h"
#include "test/collector/fake_context.h"
#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kCpu;

namespace {

constexpr int64_t kSecond = UnitBench::kSecond;
const std::string& kA = kContainerA;
const std::string kDocker =
    "/sys/fs/cgroup/cpu,cpuacct/docker/"
    "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";

struct Bench : UnitBench {
  explicit Bench(const std::string& name) : UnitBench(kCpu, name) { Open(); }
};

}  // namespace

TEST_CASE("the host: all modes, and what share was used since the last sample") {
  Bench bench("v2-systemd-containerd");
  CHECK(bench.Round().With("_node_") ==
        "huatuo_node_cpu_cores 4\n"
        "huatuo_node_cpu_seconds_total idle 12957.5\n"
        "huatuo_node_cpu_seconds_total iowait 34.48\n"
        "huatuo_node_cpu_seconds_total irq 0\n"
        "huatuo_node_cpu_seconds_total nice 6393.16\n"
        "huatuo_node_cpu_seconds_total softirq 10.39\n"
        "huatuo_node_cpu_seconds_total steal 21.68\n"
        "huatuo_node_cpu_seconds_total system 1391.44\n"
        "huatuo_node_cpu_seconds_total user 3944.06\n"
        "huatuo_node_load1 0.25\n"
        "huatuo_node_load15 2.75\n"
        "huatuo_node_load5 1.5\n");
  // 40 s of CPU time: 8 user, 4 nice, 2 system, 1 irq, 1 softirq, 4 steal, 20 idle.
  bench.tree.Write("/proc/stat", "cpu  395206 639716 139344 1297752 3448 100 1139 2568 0 0\n");
  CHECK(bench.Round().With("_node_cpu_usage") ==
        "huatuo_node_cpu_usage_ratio system 0.1\n"
        "huatuo_node_cpu_usage_ratio total 0.4\n"
        "huatuo_node_cpu_usage_ratio user 0.3\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("the host's counters step back only when they begin anew") {
  Bench bench("v2-systemd-containerd");
  bench.Round();
  bench.tree.Write("/proc/stat", "cpu  394506 639316 139144 1295652 3448 0 1039 2168 0 0\n");
  const MetricLines jitter = bench.Round();
  CHECK(jitter.With("idle") == "huatuo_node_cpu_seconds_total idle 12957.5\n");
  CHECK(jitter.With("_node_cpu_usage_ratio total") == "huatuo_node_cpu_usage_ratio total 1\n");
  bench.tree.Write("/proc/stat", "cpu  100 0 100 300 0 0 0 0 0 0\n");
  const MetricLines reset = bench.Round();
  CHECK(reset.With("idle") == "huatuo_node_cpu_seconds_total idle 3\n");
  CHECK(reset.With("_node_cpu_usage").empty());
  bench.tree.Write("/proc/stat", "cpu  200 0 100 400 0 0 0 0 0 0\n");
  CHECK(bench.Round().With("_node_cpu_usage") ==
        "huatuo_node_cpu_usage_ratio system 0\n"
        "huatuo_node_cpu_usage_ratio total 0.5\n"
        "huatuo_node_cpu_usage_ratio user 0.5\n");
}

TEST_CASE("containers of v2: quota, cpuset, throttling, and services without a quota") {
  Bench bench("v2-systemd-containerd");
  const MetricLines first = bench.Round();
  CHECK(first.With("[a1a1]") ==
        "huatuo_container_cpu_burst_seconds_total [a1a1] 0.25\n"
        "huatuo_container_cpu_bursts_total [a1a1] 3\n"
        "huatuo_container_cpu_cores [a1a1] 0.5\n"
        "huatuo_container_cpu_periods_total [a1a1] 311\n"
        "huatuo_container_cpu_seconds_total system [a1a1] 2\n"
        "huatuo_container_cpu_seconds_total user [a1a1] 5\n"
        "huatuo_container_cpu_throttled_periods_total [a1a1] 119\n"
        "huatuo_container_cpu_throttled_seconds_total [a1a1] 5.12003\n");
  CHECK(first.With("cores [b2b2]") == "huatuo_container_cpu_cores [b2b2] 2\n");
  CHECK(first.With("[kubelet.service]") ==
        "huatuo_container_cpu_cores [kubelet.service] 4\n"
        "huatuo_container_cpu_seconds_total system [kubelet.service] 0.03\n"
        "huatuo_container_cpu_seconds_total user [kubelet.service] 0.06\n");
  // 4 s in 10 s of half a CPU.
  bench.tree.Write(kA + "/cpu.stat",
                   "usage_usec 11000000\nuser_usec 8000000\nsystem_usec 3000000\n");
  const MetricLines second = bench.Round();
  CHECK(second.With("usage_ratio total") ==
        "huatuo_container_cpu_usage_ratio total [a1a1] 0.8\n"
        "huatuo_container_cpu_usage_ratio total [b2b2] 0\n"
        "huatuo_container_cpu_usage_ratio total [containerd.service] 0\n"
        "huatuo_container_cpu_usage_ratio total [kubelet.service] 0\n"
        "huatuo_container_cpu_usage_ratio total [user@1000.service/dbus.service] 0\n"
        "huatuo_container_cpu_usage_ratio total [user@1000.service] 0\n");
  CHECK(second.With("usage_ratio user [a1a1]") ==
        "huatuo_container_cpu_usage_ratio user [a1a1] 0.6\n");
  CHECK(second.With("usage_ratio system [a1a1]") ==
        "huatuo_container_cpu_usage_ratio system [a1a1] 0.2\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("containers of v1: usage and throttling in their own units") {
  Bench bench("v1-cgroupfs-docker");
  const MetricLines first = bench.Round();
  CHECK(first.With("_node_cpu_cores") == "huatuo_node_cpu_cores 5\n");
  CHECK(first.With("cores [") ==
        "huatuo_container_cpu_cores [a1a1] 5\n"
        "huatuo_container_cpu_cores [b2b2] 2.5\n"
        "huatuo_container_cpu_cores [c3c3] 1\n");
  CHECK(first.With("[b2b2]") ==
        "huatuo_container_cpu_burst_seconds_total [b2b2] 0.03\n"
        "huatuo_container_cpu_bursts_total [b2b2] 2\n"
        "huatuo_container_cpu_cores [b2b2] 2.5\n"
        "huatuo_container_cpu_periods_total [b2b2] 40\n"
        "huatuo_container_cpu_seconds_total system [b2b2] 1\n"
        "huatuo_container_cpu_seconds_total user [b2b2] 3\n"
        "huatuo_container_cpu_throttled_periods_total [b2b2] 7\n"
        "huatuo_container_cpu_throttled_seconds_total [b2b2] 1.5\n");
  // Kernels before 5.14 count no bursts.
  CHECK(first.With("bursts_total [a1a1]").empty());
  bench.tree.Write(kDocker + "/cpuacct.usage", "9000000000\n");
  CHECK(bench.Round().With("usage_ratio total [b2b2]") ==
        "huatuo_container_cpu_usage_ratio total [b2b2] 0.2\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("a container of a hybrid layout: the quota of v1, the usage of v2") {
  Bench bench("hybrid-systemd-crio");
  CHECK(bench.Round().With("[a1a1]") ==
        "huatuo_container_cpu_cores [a1a1] 1.5\n"
        "huatuo_container_cpu_periods_total [a1a1] 10\n"
        "huatuo_container_cpu_seconds_total system [a1a1] 1\n"
        "huatuo_container_cpu_seconds_total user [a1a1] 2\n"
        "huatuo_container_cpu_throttled_periods_total [a1a1] 1\n"
        "huatuo_container_cpu_throttled_seconds_total [a1a1] 0.02\n");
}

TEST_CASE("a usage that was reset gives no ratio, and never a negative one") {
  Bench bench("v2-systemd-containerd");
  bench.Round();
  bench.tree.Write(kA + "/cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\n");
  CHECK(bench.Round().With("usage_ratio total [a1a1]").empty());
  // The split by ticks moved: user shrank while the total grew.
  bench.tree.Write(kA + "/cpu.stat", "usage_usec 5000005\nuser_usec 1\nsystem_usec 5000004\n");
  CHECK(bench.Round().With("usage_ratio").find('-') == std::string::npos);
  CHECK(bench.Round().With("usage_ratio user [a1a1]") ==
        "huatuo_container_cpu_usage_ratio user [a1a1] 0\n");
}

TEST_CASE("a bad file costs this sample of this subject, and is counted") {
  Bench bench("v2-systemd-containerd");
  const auto after = [&](const std::string& path, const std::string& text) {
    bench.tree.Write(path, text);
    return bench.Round().With("cpu_seconds_total user [a1a1]");
  };
  const std::string good = "usage_usec 7000000\nuser_usec 5000000\nsystem_usec 2000000\n";
  const std::string kSample = "huatuo_container_cpu_seconds_total user [a1a1] 5\n";
  CHECK(after(kA + "/cpu.stat", good) == kSample);
  CHECK(after(kA + "/cpu.stat", "").empty());
  CHECK(after(kA + "/cpu.stat", "usage_usec 7000000\nuser_usec 50").empty());
  CHECK(after(kA + "/cpu.stat", "usage_usec 7000000\nuser_usec many\nsystem_usec 1\n").empty());
  CHECK(after(kA + "/cpu.stat", "usage_usec -1\nuser_usec 0\nsystem_usec 0\n").empty());
  CHECK(after(kA + "/cpu.stat", good + "nr_periods 99999999999999999999\n").empty());
  CHECK(after(kA + "/cpu.stat", std::string(1 << 20, 'x')).empty());
  CHECK(bench.losses.Text() == "malformed_file 6\n");
  CHECK(after(kA + "/cpu.stat", good) == kSample);
  CHECK(after(kA + "/cpu.max", "50000 0\n").empty());
  CHECK(after(kA + "/cpu.max", "0 100000\n").empty());
  CHECK(after(kA + "/cpu.max", "100000\n").empty());
  CHECK(bench.losses.Text() == "malformed_file 9\n");
  CHECK(after(kA + "/cpu.max", "max 100000\n") == kSample);
  CHECK(after(kA + "/cpuset.cpus.effective", "3-1\n").empty());
  CHECK(bench.losses.Text() == "malformed_file 10\n");
}

TEST_CASE("a missing file costs the sample where every kernel has it") {
  Bench bench("v2-systemd-containerd");
  bench.tree.Remove(kA + "/cpuset.cpus.effective");
  CHECK(bench.Round().With("cores [a1a1]") == "huatuo_container_cpu_cores [a1a1] 0.5\n");
  CHECK(bench.losses.Text().empty());
  Bench other("v2-systemd-containerd");
  other.tree.Remove(kA + "/cpu.stat");
  CHECK(other.Round().With("[a1a1]").empty());
  CHECK(other.losses.Text() == "unreadable_file 1\n");
}

TEST_CASE("what the host's files lack is counted; the containers go on") {
  Bench bench("v2-systemd-containerd");
  bench.Round();
  bench.tree.Write("/proc/stat", "cpu  1 2 3\n");
  bench.tree.Write("/proc/loadavg", "0.1");
  bench.tree.Write("/sys/devices/system/cpu/online", "");
  const MetricLines round = bench.Round();
  CHECK(round.With("_node_").empty());
  CHECK(round.With("cores [a1a1]") == "huatuo_container_cpu_cores [a1a1] 0.5\n");
  CHECK(bench.losses.Text() == "malformed_file 3\n");
  Bench other("v2-systemd-containerd");
  other.tree.Remove("/sys/devices/system/cpu/online");
  CHECK(other.Round().With("_cpu_cores").empty());
  CHECK(other.losses.Text() == "unreadable_file 1\n");
}

TEST_CASE("a load that is no finite number is malformed") {
  for (const char* text : {"nan 0 0 1/2 3\n", "0 inf 0 1/2 3\n", "0 0 -1 1/2 3\n"}) {
    Bench bench("v2-systemd-containerd");
    bench.tree.Write("/proc/loadavg", text);
    CHECK(bench.Round().With("_load").empty());
    CHECK(bench.losses.Text() == "malformed_file 1\n");
  }
}

TEST_CASE("a container that ends has no sample, and nothing is lost with it") {
  Bench bench("v2-systemd-containerd");
  bench.tree.Remove(kA);
  CHECK(bench.Round().With("[a1a1]").empty());
  CHECK(bench.losses.Text().empty());
  bench.clock.Advance(60 * kSecond);
  CHECK(bench.containers.Drain().ok());
  bench.unit->OnContainers();
  CHECK(bench.Round().With("cores [b2b2]") == "huatuo_container_cpu_cores [b2b2] 2\n");
}

TEST_CASE("[host] a cgroup that ends under its open files has no sample; made again it has") {
  std::optional<CgroupFolder> cgroup;
  cgroup.emplace("cpuacct", "huatuo-cpu-test");
  if (!cgroup->ok() || cgroup->v2()) {
    fmt::print("skipped: no cgroup of the v1 cpuacct controller can be made here\n");
    return;
  }
  Bench bench("v2-systemd-containerd");
  FakeContext context;
  context.AddLive("cafe", cgroup->ref(), cgroup->path());
  const Root real;
  const Resources resources{real, bench.clock, context, bench.sched, bench.losses, bench.report};
  const auto unit = kCpu.mechanisms[0].open(OpenRequest(), resources);
  REQUIRE(unit.ok());
  const auto sample = [&] {
    MetricLines lines(kCpu);
    (*unit)->Collect(lines);
    return lines.With("seconds_total user [cafe]");
  };
  const std::string kNone = "huatuo_container_cpu_seconds_total user [cafe] 0\n";
  CHECK(sample() == kNone);
  cgroup.emplace("cpuacct", "huatuo-cpu-test");
  CHECK(sample() == kNone);
  cgroup.reset();
  CHECK(sample().empty());
  CHECK(sample().empty());
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("a machine without /proc/stat has no such unit") {
  Fixture tree("");
  const Root root(tree.folder());
  Bench bench("v2-systemd-containerd");
  const Resources resources{root,        bench.clock,  bench.context,
                            bench.sched, bench.losses, bench.report};
  CHECK(kCpu.mechanisms[0].open(OpenRequest(), resources).status().ToString().find("/proc/stat") !=
        std::string::npos);
}

TEST_CASE("cpu lists") {
  const auto count = [](std::string_view list) { return CountCpuList(list).value_or(-1); };
  CHECK(count("0") == 1);
  CHECK(count("0-3,5,8-9") == 7);
  CHECK(count("") == 0);
  CHECK(count("0-") == -1);
  CHECK(count("3-1") == -1);
  CHECK(count("0-4294967295") == -1);
  CHECK(count("a") == -1);
}

}  // namespace huatuo
