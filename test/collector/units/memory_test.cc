#include "test/bpf/cgroup_folder.h"
#include "test/collector/fake_context.h"
#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kMemory;

namespace {

const std::string kDocker =
    "/sys/fs/cgroup/memory/docker/"
    "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
const std::string kCrio =
    "/sys/fs/cgroup/memory/kubepods.slice/kubepods-pod0a1b2c3d_0000_1111_2222_333344445555.slice/"
    "crio-a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1.scope";

// One line for each key of the file that became a series.
long Series(const MetricLines& round, std::string_view part) {
  const std::string text = round.With(part);
  return std::count(text.begin(), text.end(), '\n');
}

long Lines(const UnitBench& bench, const std::string& path) {
  const std::string text = bench.root.Read(path).value_or("");
  return std::count(text.begin(), text.end(), '\n');
}

TEST_CASE("every key of captured kernels has its row") {
  // 6.1, 5.10 and 6.18.
  for (const char* tree : {"v2-systemd-containerd", "v1-cgroupfs-docker", "hybrid-systemd-crio"}) {
    INFO(tree);
    UnitBench bench(kMemory, tree);
    const MetricLines round = bench.Round();
    CHECK(Series(round, "_vmstat_") == Lines(bench, "/proc/vmstat"));
    CHECK(Series(round, "_meminfo_") == Lines(bench, "/proc/meminfo"));
    CHECK(Series(round, "_buddyinfo_") == 11 * Lines(bench, "/proc/buddyinfo"));
    CHECK(bench.losses.Text().empty());
  }
}

TEST_CASE("a container of v2, as kernel 6.1 counts it") {
  UnitBench bench(kMemory, "v2-systemd-containerd");
  const MetricLines round = bench.Round();
  CHECK(Series(round, "memory_stat_") == Lines(bench, kContainerA + "/memory.stat"));
  CHECK(round.With("memory_stat_anon [a1a1]") ==
        "huatuo_container_memory_stat_anon [a1a1] 114688\n");
  CHECK(round.With("memory_stat_pgscan [a1a1]") ==
        "huatuo_container_memory_stat_pgscan [a1a1] 33502\n");
  CHECK(round.With("memory_events") ==
        "huatuo_container_memory_events_total high [a1a1] 0\n"
        "huatuo_container_memory_events_total low [a1a1] 0\n"
        "huatuo_container_memory_events_total max [a1a1] 658\n"
        "huatuo_container_memory_events_total oom [a1a1] 1\n"
        "huatuo_container_memory_events_total oom_group_kill [a1a1] 0\n"
        "huatuo_container_memory_events_total oom_kill [a1a1] 1\n");
  CHECK(round.With("memory_usage") + round.With("memory_limit") ==
        "huatuo_container_memory_usage_bytes [a1a1] 487424\n"
        "huatuo_container_memory_limit_bytes [a1a1] 3.35544e+07\n");
  CHECK(round.With("MemTotal") == "huatuo_node_meminfo_MemTotal_bytes 2.06248e+09\n");
}

TEST_CASE("a container of v1 has the same names, for itself and all below it") {
  UnitBench bench(kMemory, "v1-cgroupfs-docker");
  const MetricLines round = bench.Round();
  CHECK(round.With("[b2b2]") ==
        "huatuo_container_memory_events_total max [b2b2] 12802\n"
        "huatuo_container_memory_events_total oom_kill [b2b2] 1\n"
        "huatuo_container_memory_limit_bytes [b2b2] 3.35544e+07\n"
        "huatuo_container_memory_stat_active_anon [b2b2] 0\n"
        "huatuo_container_memory_stat_active_file [b2b2] 94208\n"
        "huatuo_container_memory_stat_anon [b2b2] 0\n"
        "huatuo_container_memory_stat_anon_thp [b2b2] 0\n"
        "huatuo_container_memory_stat_file [b2b2] 135168\n"
        "huatuo_container_memory_stat_file_dirty [b2b2] 0\n"
        "huatuo_container_memory_stat_file_mapped [b2b2] 135168\n"
        "huatuo_container_memory_stat_file_writeback [b2b2] 0\n"
        "huatuo_container_memory_stat_inactive_anon [b2b2] 0\n"
        "huatuo_container_memory_stat_inactive_file [b2b2] 69632\n"
        "huatuo_container_memory_stat_pgfault [b2b2] 8778\n"
        "huatuo_container_memory_stat_pgmajfault [b2b2] 0\n"
        "huatuo_container_memory_stat_pgpgin [b2b2] 40425\n"
        "huatuo_container_memory_stat_pgpgout [b2b2] 40418\n"
        "huatuo_container_memory_stat_shmem [b2b2] 0\n"
        "huatuo_container_memory_stat_swap [b2b2] 0\n"
        "huatuo_container_memory_stat_unevictable [b2b2] 0\n"
        "huatuo_container_memory_usage_bytes [b2b2] 458752\n");
}

TEST_CASE("on a hybrid host memory is that of v1") {
  UnitBench bench(kMemory, "hybrid-systemd-crio");
  bench.tree.Write(kCrio + "/memory.stat", "rss 1\ntotal_rss 4096\ntotal_pgfault 7\n");
  bench.tree.Write(kCrio + "/memory.usage_in_bytes", "8192\n");
  bench.tree.Write(kCrio + "/memory.limit_in_bytes", "9223372036854771712\n");
  bench.tree.Write(kCrio + "/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  CHECK(bench.Round().With("[a1a1]") ==
        "huatuo_container_memory_events_total oom_kill [a1a1] 2\n"
        "huatuo_container_memory_stat_anon [a1a1] 4096\n"
        "huatuo_container_memory_stat_pgfault [a1a1] 7\n"
        "huatuo_container_memory_usage_bytes [a1a1] 8192\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("a bad file costs its own sample, and is counted") {
  UnitBench bench(kMemory, "v2-systemd-containerd");
  const auto after = [&](const std::string& file, const std::string& text) {
    bench.tree.Write(kContainerA + "/" + file, text);
    return bench.Round().With("[a1a1]");
  };
  const auto lacks = [](const std::string& text, const std::string& part) {
    return text.find(part) == std::string::npos;
  };
  CHECK(lacks(after("memory.stat", "anon 1\nfile 2"), "_stat_"));
  CHECK(lacks(after("memory.stat", "anon 18446744073709551616\n"), "_stat_"));
  CHECK(lacks(after("memory.stat", ""), "_stat_"));
  CHECK(lacks(after("memory.stat", std::string(9 << 20, 'x')), "_stat_"));
  CHECK(lacks(after("memory.events", "low"), "_events_"));
  CHECK(lacks(after("memory.current", "4096"), "_usage_"));
  CHECK(lacks(after("memory.max", "many\n"), "_limit_"));
  CHECK(bench.losses.Text() == "malformed_file 13\n");
  const std::string good = after("memory.stat", "anon 1\nkey_of_tomorrow 2\n");
  CHECK_FALSE(lacks(good, "memory_stat_anon [a1a1] 1\n"));
  CHECK(lacks(after("memory.max", "max\n"), "_limit_"));
  bench.tree.Write("/proc/buddyinfo", "Node 0, zone DMA 1 2 x\n");
  bench.tree.Write("/proc/vmstat", "nr_dirty -\n");
  const MetricLines round = bench.Round();
  CHECK(round.With("buddyinfo").empty());
  CHECK(round.With("vmstat").empty());
  CHECK_FALSE(round.With("meminfo").empty());
}

TEST_CASE("a container that ended has no series, and is no loss") {
  UnitBench bench(kMemory, "v2-systemd-containerd");
  CHECK_FALSE(bench.Round().With("[a1a1]").empty());
  bench.tree.Remove(kContainerA);
  bench.FindContainers();
  CHECK(bench.Round().With("[a1a1]").empty());
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("[host] a cgroup that vanishes under its open files is left out, and counted") {
  auto cgroup = std::make_unique<CgroupFolder>("memory", "huatuo-memory-test");
  if (!cgroup->ok()) {
    fmt::print("skipped: no cgroup of the memory controller can be made here\n");
    return;
  }
  UnitBench bench(kMemory, "v2-systemd-containerd");
  FakeContext context;
  context.AddLive("cafe", cgroup->ref(), cgroup->path());
  const Root real;
  const Resources resources{real, bench.clock, context, bench.sched, bench.losses, bench.report};
  auto unit = kMemory.mechanisms[0].open(OpenRequest(), resources);
  REQUIRE(unit.ok());
  MetricLines before(kMemory);
  (*unit)->Collect(before);
  CHECK(before.With("memory_stat_anon [cafe]") == "huatuo_container_memory_stat_anon [cafe] 0\n");
  CHECK(bench.losses.Text().empty());
  cgroup.reset();
  MetricLines after(kMemory);
  (*unit)->Collect(after);
  CHECK(after.With("[cafe]").empty());
  CHECK_FALSE(after.With("_meminfo_").empty());
  CHECK(bench.losses.Text().starts_with("vanished_cgroup "));
}

TEST_CASE("a machine without /proc/meminfo has no such unit") {
  UnitBench bench(kMemory, "v2-systemd-containerd");
  bench.tree.Remove("/proc/meminfo");
  CHECK_FALSE(kMemory.mechanisms[0].open(OpenRequest(), bench.resources).ok());
}

}  // namespace
}  // namespace huatuo
