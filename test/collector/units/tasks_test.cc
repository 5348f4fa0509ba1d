#include "collector/units/tasks_sweep.h"
#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kTasks;

namespace {

void Task(const UnitBench& bench, int tid, char state, const std::string& comm = "task") {
  const std::string folder = fmt::format("/proc/{}", tid);
  bench.tree.Make(folder);
  bench.tree.Write(folder + "/stat", fmt::format("{} ({}) {} 1 1 1 0 -1\n", tid, comm, state));
}

// The lists of the captured tree, as cgroup.threads has them.
void Lists(const UnitBench& bench) {
  const std::string cgroup = "/sys/fs/cgroup";
  bench.tree.Write(cgroup + "/cgroup.threads", "2\n3\n");
  bench.tree.Write(kContainerA + "/cgroup.threads", "1001\n1101\n");
  bench.tree.Write(kContainerB + "/cgroup.threads", "1002\n1003\n");
  bench.tree.Write(kContainerB + "/worker/cgroup.threads", "1004\n1999\n");
  Task(bench, 2, 'S', "kthreadd");
  Task(bench, 3, 'I', "kworker) R (x");
  Task(bench, 1001, 'R');
  Task(bench, 1101, 'D', ") S 1 (");
  Task(bench, 1002, 't');
  Task(bench, 1003, 'Z');
  Task(bench, 1004, 'D');
}

TEST_CASE("tasks by state: of the host, and of containers with all that is below them") {
  UnitBench bench(kTasks, "v2-systemd-containerd");
  Lists(bench);
  const MetricLines round = bench.Round();
  CHECK(round.With("[a1a1]") ==
        "huatuo_container_load1 [a1a1] 0\n"
        "huatuo_container_load15 [a1a1] 0\n"
        "huatuo_container_load5 [a1a1] 0\n"
        "huatuo_container_tasks running [a1a1] 1\n"
        "huatuo_container_tasks sleeping [a1a1] 0\n"
        "huatuo_container_tasks stopped [a1a1] 0\n"
        "huatuo_container_tasks uninterruptible [a1a1] 1\n");
  CHECK(round.With("[b2b2]") ==
        "huatuo_container_load1 [b2b2] 0\n"
        "huatuo_container_load15 [b2b2] 0\n"
        "huatuo_container_load5 [b2b2] 0\n"
        "huatuo_container_tasks running [b2b2] 0\n"
        "huatuo_container_tasks sleeping [b2b2] 0\n"
        "huatuo_container_tasks stopped [b2b2] 1\n"
        "huatuo_container_tasks uninterruptible [b2b2] 1\n");
  CHECK(round.With("node_tasks uninter") == "huatuo_node_tasks uninterruptible 2\n");
  CHECK(round.With("node_tasks sleeping") == "huatuo_node_tasks sleeping 2\n");
  CHECK(round.With("node_tasks stopped") == "huatuo_node_tasks stopped 1\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("on cgroup v1 the lists have another name; nested containers count for themselves") {
  UnitBench bench(kTasks, "v1-cgroupfs-docker");
  std::string outer = "/sys/fs/cgroup/memory/docker/";
  for (int i = 0; i < 32; ++i) outer += "b2";
  bench.tree.Write(outer + "/tasks", "31\n32\n");
  Task(bench, 31, 'S');
  Task(bench, 32, 'D');
  const MetricLines round = bench.Round();
  CHECK(round.With("tasks sleeping [b2b2]") == "huatuo_container_tasks sleeping [b2b2] 1\n");
  CHECK(round.With("tasks uninterruptible [") ==
        "huatuo_container_tasks uninterruptible [a1a1] 0\n"
        "huatuo_container_tasks uninterruptible [b2b2] 1\n"
        "huatuo_container_tasks uninterruptible [c3c3] 0\n");
  CHECK(round.With("node_tasks uninter") == "huatuo_node_tasks uninterruptible 1\n");
}

TEST_CASE("what a round has no time for is read in the next ones, and shown when all is") {
  UnitBench bench(kTasks, "v2-systemd-containerd");
  Lists(bench);
  std::string many;
  for (int tid = 5000; tid < 5400; ++tid) {
    Task(bench, tid, 'D');
    many += fmt::format("{}\n", tid);
  }
  bench.tree.Write(kContainerA + "/cgroup.threads", many);
  bench.parameters = {1};  // less than any task takes
  const std::string done = "huatuo_container_tasks uninterruptible [a1a1] 400\n";
  CHECK(bench.Round().With("uninterruptible [a1a1]").empty());
  int rounds = 1;
  while (bench.Round().With("uninterruptible [a1a1]").empty() && rounds < 1000) ++rounds;
  CHECK(rounds >= 10);
  CHECK(bench.Round().With("uninterruptible [a1a1]") == done);
  // A sweep that is under way does not touch what is shown.
  bench.tree.Write(kContainerA + "/cgroup.threads", "1001\n");
  CHECK(bench.Round().With("uninterruptible [a1a1]") == done);
  CHECK(bench.unit->SetParameter(0, 10'000'000'000).ok());
  bench.Round();
  CHECK(bench.Round().With("running [a1a1]") == "huatuo_container_tasks running [a1a1] 1\n");
}

TEST_CASE("a container that ended has no tasks any more") {
  UnitBench bench(kTasks, "v2-systemd-containerd");
  Lists(bench);
  CHECK_FALSE(bench.Round().With("[a1a1]").empty());
  bench.tree.Remove(kContainerA);
  bench.FindContainers();
  CHECK(bench.Round().With("[a1a1]").empty());
}

TEST_CASE("switches and forks are those of /proc/stat") {
  UnitBench bench(kTasks, "v2-systemd-containerd");
  bench.tree.Write("/proc/stat",
                   "cpu  1 2 3 4 5 6 7\nctxt 123456789\nbtime 1\nprocesses 4242\nprocs_running 3\n"
                   "procs_blocked 2\nsoftirq 1 2 3\n");
  const MetricLines round = bench.Round();
  CHECK(round.With("_total") ==
        "huatuo_node_context_switches_total 1.23457e+08\nhuatuo_node_forks_total 4242\n");
  CHECK(round.With("node_tasks running") == "huatuo_node_tasks running 3\n");
  CHECK(round.With("node_tasks iowait") == "huatuo_node_tasks iowait 2\n");
  bench.tree.Write("/proc/stat", "ctxt 18446744073709551616\n");
  CHECK(bench.Round().With("_total").empty());
  CHECK(bench.losses.Text() == "malformed_file 1\n");
}

TEST_CASE("the load of a container follows its tasks that run or are uninterruptible") {
  UnitBench bench(kTasks, "v2-systemd-containerd");
  Lists(bench);
  CHECK(bench.Round().With("load1 [a1a1]") == "huatuo_container_load1 [a1a1] 0\n");
  // 2 * (1 - e^(-10/60)), and so on for 5 and 15 minutes.
  const MetricLines second = bench.Round();
  CHECK(second.With("load1 [a1a1]") == "huatuo_container_load1 [a1a1] 0.307037\n");
  CHECK(second.With("load1 [b2b2]") == "huatuo_container_load1 [b2b2] 0.153518\n");
  CHECK(second.With("load5 [a1a1]") == "huatuo_container_load5 [a1a1] 0.0655678\n");
  CHECK(second.With("load15 [a1a1]") == "huatuo_container_load15 [a1a1] 0.0220992\n");
  for (int i = 0; i < 100; ++i) bench.Round();
  bench.FindContainers();
  CHECK(bench.Round().With("load1 [a1a1]") == "huatuo_container_load1 [a1a1] 2\n");
}

TEST_CASE("states of a task's line") {
  const auto state = [](std::string_view line) {
    const auto parsed = ParseTaskState(line);
    return parsed ? std::string(kTaskStates[*parsed]) : "none";
  };
  CHECK(state("1 (init) S 0") == "sleeping");
  CHECK(state("1 (a) b) R 0") == "running");
  CHECK(state("1 (x) P") == "sleeping");
  CHECK(state("1 (x) X 0") == "none");
  CHECK(state("1 (x") == "none");
  CHECK(state("1 (x) ") == "none");
  CHECK(state("") == "none");
}

}  // namespace
}  // namespace huatuo
