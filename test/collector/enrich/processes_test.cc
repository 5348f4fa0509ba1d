#include "collector/enrich/processes.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "collector/enrich/text.h"
#include "test/collector/enrich/fixture.h"

using namespace huatuo;  // NOLINT

namespace {

constexpr char kPod[] =
    "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/"
    "kubepods-burstable-pod0a1b2c3d_0000_1111_2222_333344445555.slice";

std::string Print(const ProcessList& list) {
  std::string text;
  for (const Process& each : list.top) {
    text += fmt::format("{}/{}/{} ", each.pid, each.comm, each.rss_bytes >> 12);
  }
  return text + fmt::format("of {}{}", list.seen, list.complete ? "" : ", late");
}

Root V2() { return Root(FixturePath("v2-systemd-containerd")); }

}  // namespace

TEST_CASE("the largest processes of the machine") {
  CHECK(Print(TopProcesses(V2(), 3, Deadline::max())) ==
        "1002/java/90000 800/kubelet/25000 700/containerd/12000 of 10");
  CHECK(Print(TopProcesses(V2(), 0, Deadline::max())) == "of 10");
}

TEST_CASE("the largest processes of a cgroup and of those below") {
  CHECK(Print(TopProcessesOf(V2(), kPod, 2, Deadline::max())) ==
        "1002/java/90000 1004/工作/5000 of 4");
  CHECK(Print(TopProcessesOf(V2(), kPod, 9, Deadline::max())) ==
        "1002/java/90000 1004/工作/5000 1003/sh/300 1001/pause/100 of 4");
  CHECK(Print(TopProcessesOf(V2(), "/sys/fs/cgroup/gone", 9, Deadline::max())) == "of 0");
}

TEST_CASE("a deadline ends the search and is told") {
  CHECK(Print(TopProcesses(V2(), 3, Deadline::min())) == "of 0, late");
  CHECK(Print(TopProcessesOf(V2(), kPod, 3, Deadline::min())) == "of 0, late");
}

TEST_CASE("a process of a cgroup") {
  CHECK(AnyProcessOf(V2(), kPod).has_value());
  CHECK(AnyProcessOf(V2(), "/sys/fs/cgroup/system.slice/kubelet.service") == 800);
  CHECK(AnyProcessOf(V2(), "/sys/fs/cgroup/user.slice") == 1500);
  CHECK(AnyProcessOf(V2(), "/sys/fs/cgroup/gone") == std::nullopt);
}

TEST_CASE("processes that are gone, foreign or nonsense are left out") {
  const Fixture tree("");
  tree.Make("/sys/fs/cgroup/a");
  tree.Write("/sys/fs/cgroup/a/cgroup.procs", "0\n-1\nx\n77\n99999999999999999999\n");
  CHECK(Print(TopProcessesOf(Root(tree.folder()), "/sys/fs/cgroup/a", 9, Deadline::max())) ==
        "of 1");
}

TEST_CASE("text of strangers") {
  CHECK(SafeText("plain 工作 é 🙂") == "plain 工作 é 🙂");
  CHECK(SafeText("a\nb\x7f\x1b[0m") == "a?b??[0m");
  CHECK(SafeText("\xff\xc3+\xe5\xb7") == "??+??");
  CHECK(SafeText("\xc0\xaf\xed\xa0\x80") == "?????");
  CHECK(SafeText("\xc2\x85") == "??");
  CHECK(SafeText("\xf4\x90\x80\x80") == "????");
}
