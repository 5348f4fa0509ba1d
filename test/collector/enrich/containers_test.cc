#include "collector/enrich/containers.h"

#include <fmt/format.h>
#include <poll.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "test/collector/enrich/fixture.h"

using namespace huatuo;  // NOLINT

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr char kCgroup[] = "/sys/fs/cgroup/";

const std::string kA = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const std::string kNew(64, '7');

std::string Print(const std::shared_ptr<const Container>& container) {
  if (container == nullptr) return "none";
  const Container& c = *container;
  return fmt::format("{} {}{} {}", c.type, c.container_id.substr(0, 4), c.name,
                     c.pod_uid.substr(0, 4));
}

std::string PrintLive(const Containers& containers) {
  std::vector<std::string> lines;
  for (const auto& c : containers.Live()) {
    lines.push_back(fmt::format("{}{} {}/{}/{} cgroups={} folders={}\n", Print(c),
                                c->outer_id.empty() ? "" : " in " + c->outer_id.substr(0, 4),
                                c->qos, c->runtime, c->hostname,
                                containers.CgroupsOf(c->subject).size(), c->folders.size()));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const auto& line : lines) text += line;
  return text;
}

// A tree, its index, and a clock that the test moves.
struct Bench {
  explicit Bench(const std::string& name, ContainersOptions options = {})
      : tree(name), root(tree.folder()), containers(root, clock, options) {
    clock.Advance(1000 * kSecond);
    CHECK(Message(containers.Refresh()) == "");
  }
  std::string Find(CgroupRef cgroup) { return Print(containers.Find(cgroup)); }
  std::string Find(uint32_t hierarchy, const std::string& path) {
    return Find(tree.Ref(hierarchy, kCgroup + path));
  }
  void Drain() { CHECK(containers.Drain().ok()); }

  static std::string Message(const absl::Status& status) { return std::string(status.message()); }

  Fixture tree;
  Root root;
  ManualClock clock;
  Containers containers;
};

std::string Text(const ContainerChange& change) {
  const char* const kKinds[] = {"added", "removed", "ended"};
  return fmt::format("{} {}\n", kKinds[static_cast<int>(change.kind)], Print(change.container));
}

const std::string kPod =
    "kubepods.slice/kubepods-burstable.slice/"
    "kubepods-burstable-pod0a1b2c3d_0000_1111_2222_333344445555.slice/";
const std::string kNewScope = kPod + "cri-containerd-" + kNew + ".scope";

}  // namespace

TEST_CASE("containers of v2 with the systemd driver") {
  Bench bench("v2-systemd-containerd");
  CHECK(PrintLive(bench.containers) ==
        "container a1a1 0a1b burstable/containerd/ cgroups=1 folders=1\n"
        "container b2b2 0a1b burstable/containerd/ cgroups=2 folders=1\n"
        "pod  0a1b burstable// cgroups=1 folders=1\n"
        "service containerd.service  /systemd/ cgroups=1 folders=1\n"
        "service kubelet.service  /systemd/ cgroups=1 folders=1\n"
        "service user@1000.service  /systemd/ cgroups=2 folders=1\n"
        "service user@1000.service/dbus.service  /systemd/ cgroups=1 folders=1\n");
  CHECK(bench.Find(0, kPod + "cri-containerd-" + kA + ".scope") == "container a1a1 0a1b");
  CHECK(bench.Find(0, "kubepods.slice") == "none");
  CHECK(bench.Find(0, "init.scope") == "none");
  CHECK(bench.Find(0, "") == "none");
  CHECK(bench.containers.counters().unresolved == 0);
}

TEST_CASE("containers of v1 are one subject in all hierarchies") {
  Bench bench("v1-cgroupfs-docker");
  CHECK(PrintLive(bench.containers) ==
        "container a1a1 0011 besteffort// cgroups=5 folders=5\n"
        "container b2b2  /docker/ cgroups=10 folders=5\n"
        "container c3c3  in b2b2 /docker/ cgroups=5 folders=5\n"
        "pod  0011 besteffort// cgroups=5 folders=5\n"
        "service docker.service  /systemd/ cgroups=1 folders=1\n");
  const std::string docker =
      "/docker/b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
  const auto memory = bench.containers.Find(bench.tree.Ref(5, kCgroup + ("memory" + docker)));
  const auto cpu =
      bench.containers.Find(bench.tree.Ref(7, kCgroup + ("cpu,cpuacct" + docker + "/docker")));
  REQUIRE(memory != nullptr);
  CHECK(memory == cpu);
  CHECK(memory->FolderOf("memory") == kCgroup + ("memory" + docker));
  CHECK(memory->FolderOf("cpuacct") == kCgroup + ("cpu,cpuacct" + docker));
  CHECK(memory->FolderOf("pids") == "");
}

TEST_CASE("the id alone names nothing") {
  Bench bench("v1-cgroupfs-docker");
  CgroupRef ref = bench.tree.Ref(
      5, kCgroup + ("memory/kubepods/besteffort/pod00112233445566778899aabbccddeeff/" + kA));
  CHECK(bench.Find(ref) == "container a1a1 0011");
  ref.hierarchy = 7;
  CHECK(bench.Find(ref) == "none");
  CHECK(bench.containers.counters().unresolved == 1);
}

TEST_CASE("containers of a hybrid machine") {
  Bench bench("hybrid-systemd-crio");
  CHECK(PrintLive(bench.containers) ==
        "container a1a1 0a1b guaranteed/crio/ cgroups=8 folders=4\n"
        "pod  0a1b guaranteed// cgroups=8 folders=4\n"
        "service crio.service  /systemd/ cgroups=2 folders=2\n");
  const auto container = bench.containers.Find(bench.tree.Ref(
      4, kCgroup +
             std::string("memory/kubepods.slice/"
                         "kubepods-pod0a1b2c3d_0000_1111_2222_333344445555.slice/crio-") +
             kA + ".scope/container"));
  REQUIRE(container != nullptr);
  CHECK(std::string(container->FolderOf("memory")).starts_with("/sys/fs/cgroup/memory/kubepods"));
  CHECK(std::string(container->FolderOf("pids")).starts_with("/sys/fs/cgroup/unified/kubepods"));
}

TEST_CASE("containers of podman, and services of the host and of a user") {
  Bench bench("v2-systemd-podman");
  CHECK(PrintLive(bench.containers) ==
        "container a1a1  /podman/ cgroups=3 folders=1\n"
        "container b2b2  /podman/ cgroups=1 folders=1\n"
        "container c3c3  /podman/ cgroups=1 folders=1\n"
        "container e5e5  /docker/ cgroups=3 folders=1\n"
        "service getty@tty1.service  /systemd/ cgroups=1 folders=1\n"
        "service user@1000.service  /systemd/ cgroups=2 folders=1\n");
}

TEST_CASE("a mount of a part of a hierarchy has the paths of the whole") {
  Bench bench("v1-subtree-mounted");
  CHECK(PrintLive(bench.containers) == "container a1a1  /docker/ cgroups=2 folders=1\n");
  CHECK(bench.containers.Live()[0]->FolderOf("memory") == "/sys/fs/cgroup mine/memory");
}

TEST_CASE("a mount point leads nowhere but down") {
  Fixture tree("v2-systemd-containerd");
  const Root root(tree.folder());
  ManualClock clock;
  for (const std::string point :
       {"/../../..", "/sys/../..", "/.", "sys/fs/cgroup", "/\\056.", "/\\000/sys/fs/cgroup"}) {
    CAPTURE(point);
    tree.Write("/proc/1/mountinfo", "36 1 0:1 / " + point + " rw - cgroup2 cgroup rw\n");
    Containers containers(root, clock);
    CHECK(containers.Refresh().message() == "cgroup: no hierarchy is mounted");
  }
}

TEST_CASE("a new container is found by inotify, and a dead one for five minutes") {
  Bench bench("v2-systemd-containerd");
  std::string news;
  bench.containers.Subscribe([&](const ContainerChange& change) { news += Text(change); });
  news.clear();
  bench.tree.Make(kCgroup + kNewScope + "/inner");
  pollfd ready{bench.containers.fd(), POLLIN, 0};
  REQUIRE(poll(&ready, 1, 5000) == 1);
  bench.Drain();
  CHECK(news == "added container 7777 0a1b\nadded container 7777 0a1b\n");
  const CgroupRef inner = bench.tree.Ref(0, kCgroup + kNewScope + "/inner");
  CHECK(bench.Find(inner) == "container 7777 0a1b");
  CHECK(bench.containers.counters().rescans == 1);

  news.clear();
  bench.tree.Remove(kCgroup + kNewScope);
  REQUIRE(poll(&ready, 1, 5000) == 1);
  bench.Drain();
  CHECK(news ==
        "removed container 7777 0a1b\nremoved container 7777 0a1b\nended container 7777 0a1b\n");
  CHECK(bench.containers.counters().tombstones == 2);
  bench.clock.Advance(299 * kSecond);
  bench.Drain();
  CHECK(bench.Find(inner) == "container 7777 0a1b");
  bench.clock.Advance(1 * kSecond);
  bench.Drain();
  CHECK(bench.Find(inner) == "none");
  CHECK(bench.containers.counters().tombstones == 0);
  CHECK(bench.containers.counters().evicted == 0);
}

TEST_CASE("a container that comes back is the same subject") {
  Bench bench("v2-systemd-containerd");
  bench.tree.Make(kCgroup + kNewScope);
  bench.Drain();
  const auto before = bench.containers.Find(bench.tree.Ref(0, kCgroup + kNewScope));
  REQUIRE(before != nullptr);
  bench.tree.Remove(kCgroup + kNewScope);
  bench.Drain();
  CHECK(bench.containers.CgroupsOf(before->subject).empty());
  bench.tree.Make(kCgroup + kNewScope);
  bench.Drain();
  CHECK(bench.containers.Find(bench.tree.Ref(0, kCgroup + kNewScope))->subject == before->subject);
  CHECK(bench.containers.CgroupsOf(before->subject).size() == 1);
}

TEST_CASE("tombstones are bounded, and those given up are counted") {
  Bench bench("v2-systemd-containerd", {.max_tombstones = 3});
  for (int i = 0; i < 5; ++i) bench.tree.Make(kCgroup + fmt::format("docker/{:064x}", i));
  bench.Drain();
  CHECK(bench.containers.counters().cgroups == 22);
  bench.tree.Remove(kCgroup + std::string("docker"));
  bench.Drain();
  CHECK(bench.containers.counters().cgroups == 16);
  CHECK(bench.containers.counters().tombstones == 3);
  CHECK(bench.containers.counters().evicted == 3);
}

TEST_CASE("folders are bounded, and those left out are counted") {
  Bench bench("v2-systemd-containerd", {.max_folders = 5});
  CHECK(bench.containers.counters().cgroups == 5);
  CHECK(bench.containers.counters().refused > 0);
}

TEST_CASE("an unknown reference causes one scan, and no other for a while") {
  Bench bench("v2-systemd-containerd");
  const CgroupRef unknown{~0ULL, 0};
  CHECK(bench.Find(unknown) == "none");
  CHECK(bench.containers.counters().rescans == 2);
  bench.clock.Advance(2 * kSecond);
  CHECK(bench.Find(unknown) == "none");
  CHECK(bench.containers.counters().rescans == 2);
  CHECK(bench.Find(CgroupRef{~1ULL, 0}) == "none");
  CHECK(bench.containers.counters().rescans == 3);
  CHECK(bench.Find(CgroupRef{~2ULL, 0}) == "none");
  CHECK(bench.containers.counters().rescans == 3);
  CHECK(bench.containers.counters().unresolved == 4);
}

TEST_CASE("a miss reads what inotify has before it scans") {
  Bench bench("v2-systemd-containerd");
  bench.tree.Make(kCgroup + kNewScope);
  CHECK(bench.Find(0, kNewScope) == "container 7777 0a1b");
  CHECK(bench.containers.counters().rescans == 1);
}

TEST_CASE("a full scan follows every 30 seconds") {
  Bench bench("v2-systemd-containerd");
  bench.clock.Advance(29 * kSecond);
  bench.Drain();
  CHECK(bench.containers.counters().rescans == 1);
  bench.clock.Advance(1 * kSecond);
  bench.Drain();
  CHECK(bench.containers.counters().rescans == 2);
}

TEST_CASE("a container that was never listed can be learned") {
  Bench bench("v2-systemd-containerd");
  const CgroupRef ref{123456789, 0};
  bench.containers.Learn(ref, "/" + kNewScope);
  CHECK(bench.Find(ref) == "container 7777 0a1b");
  CHECK(bench.containers.Live().size() == 7);
  bench.clock.Advance(300 * kSecond);
  bench.Drain();
  CHECK(bench.Find(ref) == "none");
}

TEST_CASE("what was learned and then listed is one subject") {
  Bench bench("v2-systemd-containerd");
  bench.tree.Make(kCgroup + kNewScope);
  const CgroupRef ref = bench.tree.Ref(0, kCgroup + kNewScope);
  bench.containers.Learn(ref, "/" + kNewScope);
  const auto learned = bench.containers.Find(ref);
  REQUIRE(learned != nullptr);
  CHECK(learned->folders.empty());
  bench.Drain();
  CHECK(bench.containers.Find(ref)->subject == learned->subject);
  CHECK(bench.containers.Find(ref)->folders.size() == 1);
  bench.clock.Advance(600 * kSecond);
  bench.Drain();
  CHECK(bench.Find(ref) == "container 7777 0a1b");
}

TEST_CASE("a subscriber is told what is there already") {
  Bench bench("hybrid-systemd-crio");
  size_t cgroups = 0;
  bench.containers.Subscribe([&](const ContainerChange& change) {
    cgroups += change.kind == ContainerChange::Kind::kCgroupAdded ? 1 : 0;
  });
  CHECK(cgroups == 18);
}

TEST_CASE("lookups go on while folders come and go") {
  Bench bench("v2-systemd-containerd");
  const CgroupRef known = bench.tree.Ref(0, kCgroup + kPod + "cri-containerd-" + kA + ".scope");
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> found = 0;
  std::atomic<uint64_t> lost = 0;
  const auto look = [&] {
    while (!stop) {
      ++(bench.containers.Find(known) == nullptr ? lost : found);
      bench.containers.Find({~found, 0});
      bench.containers.Live();
    }
  };
  std::thread first(look);
  std::thread second(look);
  for (int i = 0; i < 50; ++i) {
    bench.tree.Make(kCgroup + kNewScope + "/inner");
    CHECK(bench.Find(0, kNewScope + "/inner") == "container 7777 0a1b");
    bench.tree.Remove(kCgroup + kNewScope);
    bench.Drain();
  }
  while (found == 0) std::this_thread::yield();
  stop = true;
  first.join();
  second.join();
  CHECK(lost == 0);
  CHECK(PrintLive(bench.containers).find("7777") == std::string::npos);
}

TEST_CASE("a machine without cgroups says so and is asked again") {
  Fixture tree("");
  tree.Make("/proc/1");
  tree.Write("/proc/1/cgroup", "0::/\n");
  tree.Write("/proc/1/mountinfo", "24 1 254:0 / / rw - ext4 /dev/vda1 rw\nnonsense\n- -\n");
  const Root root(tree.folder());
  ManualClock clock;
  Containers containers(root, clock);
  CHECK(Bench::Message(containers.Refresh()) == "cgroup: no hierarchy is mounted");
  CHECK(containers.Find({1, 0}) == nullptr);
  tree.Make(kCgroup + std::string("docker/") + kNew);
  tree.Write("/proc/1/mountinfo", "31 25 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  CHECK(containers.Refresh().ok());
  CHECK(PrintLive(containers) == "container 7777  /docker/ cgroups=1 folders=1\n");
}

TEST_CASE("a hierarchy that goes and comes back is found again") {
  Bench bench("v2-systemd-containerd");
  std::filesystem::rename(bench.tree.Path("/sys/fs/cgroup"), bench.tree.Path("/away"));
  bench.clock.Advance(30 * kSecond);
  CHECK(!bench.containers.Drain().ok());
  CHECK(bench.containers.Live().size() == 7);
  bench.tree.Make(kCgroup + std::string("docker/") + kNew);
  bench.clock.Advance(30 * kSecond);
  CHECK(bench.containers.Drain().ok());
  CHECK(PrintLive(bench.containers) == "container 7777  /docker/ cgroups=1 folders=1\n");
}
