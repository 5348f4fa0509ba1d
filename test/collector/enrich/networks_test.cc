#include "collector/enrich/networks.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "test/collector/enrich/fixture.h"

namespace huatuo {
namespace {

const std::string kPod = "11111111-2222-3333-4444-555555555555";
const std::string kFolder = "/sys/fs/cgroup/kubepods/burstable/pod" + kPod;

// A v2 host with a process 1; containers are added with one process each.
class Host : public Fixture {
 public:
  Host() : Fixture("") {
    Make("/sys/fs/cgroup");
    Process(1, 4000);
    Write("/proc/1/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    Write("/proc/1/cgroup", "0::/init.scope\n");
  }
  void Process(int pid, int inode) const {
    const std::string folder = "/proc/" + std::to_string(pid) + "/ns";
    Remove(folder);
    Make(folder);
    std::filesystem::create_symlink("net:[" + std::to_string(inode) + "]", Path(folder + "/net"));
  }
  // `letter`: of which the container's id consists.
  void Container(const std::string& parent, char letter, int pid, int inode) const {
    const std::string folder = parent + "/" + std::string(64, letter);
    Make(folder);
    Write(folder + "/cgroup.procs", std::to_string(pid) + "\n");
    Process(pid, inode);
  }
};

std::string Owner(Networks& networks, uint64_t inode) {
  const auto owner = networks.Find(inode);
  if (owner == nullptr) return "nobody";
  return owner->type + " " + owner->container_id.substr(0, 4) + " " + owner->pod_uid;
}

TEST_CASE("a network names the container that has it alone, else the pod, else nobody") {
  const Host host;
  host.Container("/sys/fs/cgroup/docker", 'a', 10, 4001);
  host.Container("/sys/fs/cgroup/docker", 'b', 11, 4000);
  host.Container(kFolder, 'c', 12, 4002);
  host.Container(kFolder, 'd', 13, 4002);
  host.Container("/sys/fs/cgroup/docker", 'e', 14, 4003);
  host.Container("/sys/fs/cgroup/docker", 'f', 15, 4003);
  const Root root(host.folder());
  ManualClock clock;
  Containers containers(root, clock);
  REQUIRE(containers.Refresh().ok());
  Networks networks(root, clock, containers);
  CHECK(Owner(networks, 4001) == "container aaaa ");
  CHECK(Owner(networks, 4000) == "nobody");
  CHECK(Owner(networks, 4002) == "pod  " + kPod);
  CHECK(Owner(networks, 4003) == "nobody");
  CHECK(networks.InodeOf(std::string(64, 'd')) == 4002);
  CHECK(networks.InodeOf(std::string(64, 'b')) == std::nullopt);
}

TEST_CASE("a namespace's inode that was used again belongs to its new owner") {
  const Host host;
  host.Container("/sys/fs/cgroup/docker", 'a', 10, 4001);
  host.Container("/sys/fs/cgroup/docker", 'b', 11, 4002);
  const Root root(host.folder());
  ManualClock clock;
  Containers containers(root, clock);
  REQUIRE(containers.Refresh().ok());
  Networks networks(root, clock, containers);
  CHECK(Owner(networks, 4001) == "container aaaa ");
  host.Process(10, 4000);
  host.Process(11, 4001);
  clock.Advance(5'000'000'000);
  CHECK(Owner(networks, 4001) == "container bbbb ");
  // One that nobody had is looked for again sooner.
  host.Process(10, 4003);
  clock.Advance(500'000'000);
  CHECK(Owner(networks, 4003) == "nobody");
  clock.Advance(500'000'000);
  CHECK(Owner(networks, 4003) == "container aaaa ");
}

}  // namespace
}  // namespace huatuo
