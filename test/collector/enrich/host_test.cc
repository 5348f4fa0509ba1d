#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>

#include "collector/enrich/containers.h"
#include "collector/enrich/kallsyms.h"
#include "collector/enrich/processes.h"
#include "collector/enrich/uts.h"
#include "test/collector/enrich/fixture.h"

using namespace huatuo;  // NOLINT

namespace {

bool Skip(const std::string& reason) {
  std::cout << "skipped: " << reason << "\n";
  return true;
}

// A cgroup of this machine, removed at the end.
class HostCgroup {
 public:
  explicit HostCgroup(std::string path) : path_(std::move(path)) {
    made_ = mkdir(path_.c_str(), 0755) == 0;
  }
  ~HostCgroup() { Remove(); }
  HostCgroup(const HostCgroup&) = delete;
  HostCgroup& operator=(const HostCgroup&) = delete;
  bool made() const { return made_; }
  const std::string& path() const { return path_; }
  CgroupRef Ref(uint32_t hierarchy) const {
    struct stat status {};
    if (stat(path_.c_str(), &status) != 0) return {};
    return {status.st_ino, hierarchy};
  }
  void Remove() {
    if (made_ && rmdir(path_.c_str()) == 0) made_ = false;
  }

 private:
  std::string path_;
  bool made_ = false;
};

// The id by which the kernel's programs know the folder.
uint64_t HandleOf(const std::string& path) {
  alignas(file_handle) char space[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto* const handle = reinterpret_cast<file_handle*>(space);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, 0) != 0) return 0;
  uint64_t id = 0;
  std::memcpy(&id, handle->f_handle, sizeof(id));
  return id;
}

// Drains until `done` or five seconds have passed.
template <typename Done>
bool Await(Containers& containers, Done done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!done() && std::chrono::steady_clock::now() < end) {
    pollfd ready{containers.fd(), POLLIN, 0};
    poll(&ready, 1, 100);
    if (!containers.Drain().ok()) return false;
  }
  return done();
}

// A process of another host name in `cgroup`, ended with the object.
class Tenant {
 public:
  explicit Tenant(const std::string& cgroup) {
    int started[2] = {};
    int stop[2] = {};
    if (pipe(started) != 0 || pipe(stop) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      close(stop[1]);
      const bool ok =
          unshare(CLONE_NEWUTS) == 0 && sethostname("web-0", 5) == 0 &&
          static_cast<bool>(std::ofstream(cgroup + "/cgroup.procs") << getpid() << std::flush);
      if (write(started[1], ok ? "y" : "n", 1) != 1) _exit(1);
      char end = 0;
      (void)!read(stop[0], &end, 1);
      _exit(0);
    }
    char answer = 0;
    runs_ = read(started[0], &answer, 1) == 1 && answer == 'y';
    stop_ = stop[1];
    for (const int fd : {started[0], started[1], stop[0]}) close(fd);
  }
  ~Tenant() {
    close(stop_);
    waitpid(pid_, nullptr, 0);
  }
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;
  bool runs() const { return runs_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int stop_ = -1;
  bool runs_ = false;
};

std::string TestId() {
  const std::string pid = std::to_string(getpid());
  return std::string(64 - pid.size(), '9') + pid;
}

}  // namespace

TEST_CASE("[host] cgroups of this machine are found by inotify in every hierarchy") {
  const Root root;
  const auto hierarchies = ReadHierarchies(root);
  if (!hierarchies.ok()) return void(Skip(std::string(hierarchies.status().message())));
  Containers containers(root, Clock::Real());
  REQUIRE(containers.Refresh().ok());
  const uint64_t scans = containers.counters().rescans;
  size_t tried = 0;
  for (const Hierarchy& hierarchy : *hierarchies) {
    HostCgroup cgroup(root.Path(hierarchy.mount_point) + "/docker-" + TestId() + ".scope");
    if (!cgroup.made()) continue;
    ++tried;
    const CgroupRef ref = cgroup.Ref(hierarchy.id);
    CHECK(ref.id == HandleOf(cgroup.path()));
    const auto begin = std::chrono::steady_clock::now();
    CHECK(Await(containers,
                [&] { return containers.Live().size() > 0 && containers.Find(ref) != nullptr; }));
    const auto took = std::chrono::steady_clock::now() - begin;
    CHECK(containers.Find(ref)->container_id == TestId());
    std::cout << "hierarchy " << hierarchy.id << ": found after "
              << std::chrono::duration_cast<std::chrono::microseconds>(took).count() << " us\n";
    cgroup.Remove();
    const uint32_t subject = containers.Find(ref)->subject;
    CHECK(Await(containers, [&] { return containers.CgroupsOf(subject).empty(); }));
    CHECK(containers.Find(ref)->container_id == TestId());
  }
  if (tried == 0) Skip("no cgroup can be made here");
  CHECK(containers.counters().rescans == scans);
  CHECK(containers.counters().unwatched == 0);
}

TEST_CASE("[host] the host name of a container is that of its UTS namespace") {
  const Root root;
  const auto hierarchies = ReadHierarchies(root);
  if (!hierarchies.ok()) return void(Skip(std::string(hierarchies.status().message())));
  const Hierarchy& hierarchy = hierarchies->front();
  HostCgroup cgroup(root.Path(hierarchy.mount_point) + "/docker-" + TestId() + ".scope");
  if (!cgroup.made()) return void(Skip("no cgroup can be made here"));
  Tenant tenant(cgroup.path());
  if (!tenant.runs()) return void(Skip("no UTS namespace can be made here"));
  Containers containers(root, Clock::Real());
  REQUIRE(containers.Refresh().ok());
  CHECK(containers.Find(cgroup.Ref(hierarchy.id))->hostname == "web-0");
  CHECK(UtsName(root, tenant.pid()) == "web-0");
  char own[256] = {};
  gethostname(own, sizeof(own) - 1);
  CHECK(UtsName(root, getpid()) == own);
  const auto list = TopProcessesOf(root, containers.Find(cgroup.Ref(hierarchy.id))->FolderOf(""), 5,
                                   Deadline::max());
  REQUIRE(list.top.size() == 1);
  CHECK(list.top[0].pid == tenant.pid());
  CHECK(list.top[0].comm == program_invocation_short_name);
}

TEST_CASE("[host] functions of this kernel") {
  const Root root;
  Kallsyms symbols(root, Clock::Real());
  const auto begin = std::chrono::steady_clock::now();
  const absl::Status ready = symbols.Ready();
  if (!ready.ok()) return void(Skip(std::string(ready.message())));
  const auto took = std::chrono::steady_clock::now() - begin;
  std::cout << symbols.symbols() << " functions, " << symbols.bytes() << " bytes, "
            << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
  const std::optional<CodeRange> exit = symbols.Find("do_exit");
  REQUIRE(exit.has_value());
  CHECK(symbols.Name(exit->begin) == "do_exit+0x0");
  CHECK(symbols.Name(exit->begin + exit->bytes - 1).starts_with("do_exit+0x"));
  CHECK(!symbols.Name(exit->begin + exit->bytes).starts_with("do_exit+0x"));
  CHECK(!symbols.Find("huatuo_is_no_function").has_value());
  CHECK(!symbols.Find("").has_value());
  CHECK(symbols.bytes() < 6 << 20);
}
