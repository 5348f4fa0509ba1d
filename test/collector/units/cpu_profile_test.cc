#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "collector/instance.h"
#include "collector/kernel/sched_probe.h"
#include "collector/self_report.h"
#include "collector/symbols/user_symbols.h"
#include "collector/units/cpu_profile_builder.h"
#include "common/status.h"
#include "test/bpf/cgroup_folder.h"
#include "test/collector/fake_context.h"

namespace huatuo {

extern const Unit kCpuProfile;

namespace {

namespace fs = std::filesystem;

class NoEvents : public EventSink {
 public:
  void Emit(const OpenRequest&, size_t, std::shared_ptr<const void>) override {}
  void Lost(const OpenRequest&, std::string_view, uint64_t) override {}
};

class KeptProfiles : public ProfileSink {
 public:
  void Take(const OpenRequest&, v1::Profile profile) override {
    const std::lock_guard lock(mutex_);
    profiles.push_back(std::move(profile));
  }
  std::vector<v1::Profile> profiles;

 private:
  std::mutex mutex_;
};

// What an instance needs, and what it gave.
struct Bed {
  Root root;
  FakeContext context;
  NoEvents events;
  KeptProfiles sink;
  SchedProbeOwner sched;
  SelfReport report;
  UserSymbols symbols{root};
  Resources resources{.root = root,
                      .clock = Clock::Real(),
                      .context = context,
                      .sched = sched,
                      .sink = events,
                      .self = report,
                      .profiles = &sink,
                      .user_symbols = &symbols};
  std::vector<uint64_t> parameters{997, 19, 60};

  absl::StatusOr<std::unique_ptr<Instance>> Open(InstanceFilter filter) {
    OpenRequest request;
    request.unit = &kCpuProfile;
    request.mechanism = kCpuProfile.mechanisms.data();
    request.instance_id = 1;
    request.task_id = "t";
    request.filter = std::move(filter);
    request.parameters = parameters;
    return request.mechanism->open(request, resources);
  }

  // Opens, waits for `samples`, closes. False when this machine cannot.
  bool Profile(InstanceFilter filter, uint64_t samples) {
    auto instance = Open(std::move(filter));
    if (!instance.ok()) {
      fmt::print("skipped: {}\n", Message(instance.status()));
      return false;
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while ((*instance)->counts().emitted < samples && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    REQUIRE((*instance)->counts().emitted >= samples);
    CHECK((*instance)->counts().lost() == 0);
    return true;
  }
};

// A process that spins, from the file `program`; killed at the end.
class Spinner {
 public:
  // `before` runs in the new process, before the program does.
  explicit Spinner(
      const std::string& program, const std::function<void()>& before = [] {}) {
    pid_ = fork();
    if (pid_ == 0) {
      before();
      execl(program.c_str(), program.c_str(), nullptr);
      _exit(1);
    }
    // The process is called after the program once that has taken its place.
    const std::string comm = fs::path(program).filename().string() + "\n";
    while (Root().Read(fmt::format("/proc/{}/comm", pid_)).value_or(comm) != comm) {
      if (waitpid(pid_, nullptr, WNOHANG) != 0) {
        pid_ = -1;
        FAIL("no process of " << program);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  ~Spinner() { End(); }
  void End() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;
  uint32_t pid() const { return static_cast<uint32_t>(pid_); }

 private:
  pid_t pid_ = -1;
};

std::string Label(const v1::Profile& profile, const v1::ProfileFrame& frame) {
  const std::string& module = profile.strings(static_cast<int>(frame.module()));
  const std::string file = module.substr(module.rfind('/') + 1);
  if (frame.function() == 0) return fmt::format("{}+{:#x}", file, frame.offset());
  return profile.strings(static_cast<int>(frame.function()));
}

// "inner;outer" of a sample.
std::string Folded(const v1::Profile& profile, const v1::ProfileSample& sample) {
  std::string text;
  for (const uint32_t frame : sample.frames()) {
    text += (text.empty() ? "" : ";") + Label(profile, profile.frames(static_cast<int>(frame)));
  }
  return text;
}

// Samples of each process, and how many of them have `functions` in this order, innermost first.
struct Share {
  uint64_t all = 0;
  uint64_t found = 0;
};
std::map<uint32_t, Share> SharesOf(const std::vector<v1::Profile>& profiles,
                                   const std::string& functions) {
  std::map<uint32_t, Share> shares;
  for (const v1::Profile& profile : profiles) {
    for (const v1::ProfileSample& sample : profile.samples()) {
      Share& share = shares[profile.subjects(static_cast<int>(sample.subject())).pid()];
      share.all += sample.values(0);
      if (Folded(profile, sample).find(functions) != std::string::npos) {
        share.found += sample.values(0);
      }
    }
  }
  return shares;
}

// The most frequent stack of the last profile and what that profile lost.
std::string Summary(const std::vector<v1::Profile>& profiles) {
  if (profiles.empty() || profiles.back().samples_size() == 0) return "nothing";
  const v1::Profile& last = profiles.back();
  std::string text = Folded(last, last.samples(0));
  for (const v1::Loss& loss : last.losses()) {
    text += fmt::format(", {} {}", loss.cause(), loss.count());
  }
  return text;
}

constexpr const char* kFunctions =
    "busy::SpinInKnownFunction(unsigned long volatile&);busy::Caller(unsigned long volatile&)";

// Profiles the spinner alone and checks that it is found spinning.
void CheckSpinner(const Spinner& spinner) {
  Bed bed;
  if (!bed.Profile({"", spinner.pid(), ""}, 300)) return;
  auto shares = SharesOf(bed.sink.profiles, kFunctions);
  const Share share = shares[spinner.pid()];
  fmt::print("{} of {} samples in the known function\n", share.found, share.all);
  INFO(Summary(bed.sink.profiles));
  CHECK(shares.size() == 1);
  CHECK(share.all >= 300);
  CHECK(share.found * 10 >= share.all * 9);
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/huatuo-profile-XXXXXX";
};

}  // namespace

TEST_CASE("[host] a spinning process is found in its function, with its caller") {
  const Spinner spinner(BUSY_LOOP);
  CheckSpinner(spinner);
}

TEST_CASE("[host] a process whose program has been deleted has names") {
  const TemporaryFolder folder;
  const std::string copy = folder.path() + "/deleted";
  fs::copy_file(BUSY_LOOP, copy);
  const Spinner spinner(copy);
  fs::remove(copy);
  CheckSpinner(spinner);
}

TEST_CASE("[host] a process has names whose program is in a file system that only it sees") {
  const TemporaryFolder folder;
  const std::string program = folder.path() + "/hidden";
  const Spinner spinner(program, [&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.path().c_str(), "tmpfs", 0, nullptr) != 0) {
      _exit(2);
    }
    fs::copy_file(BUSY_LOOP, program);
  });
  CHECK_FALSE(fs::exists(program));
  CheckSpinner(spinner);
}

TEST_CASE("[host] a task on one container sees only that container") {
  const CgroupFolder folder("cpu", "huatuo-profile-test");
  const CgroupFolder inner("cpu", "huatuo-profile-test/inner");
  if (!folder.ok() || !inner.ok()) {
    fmt::print("skipped: cannot make a cgroup\n");
    return;
  }
  Bed bed;
  LiveContainer live;
  live.container.set_id("cafe");
  live.cgroups = {folder.ref()};
  bed.context.live = {live};
  const Spinner outside(BUSY_LOOP);
  const Spinner inside(BUSY_LOOP);
  REQUIRE(inner.Add(static_cast<int>(inside.pid())));
  if (!bed.Profile({"cafe", 0, ""}, 100)) return;
  const auto shares = SharesOf(bed.sink.profiles, kFunctions);
  CHECK(shares.size() == 1);
  CHECK(shares.contains(inside.pid()));
}

TEST_CASE("[host] the samples of all profiles are what the programs have counted") {
  Bed bed;
  Spinner spinner(BUSY_LOOP);
  const uint32_t pid = spinner.pid();
  uint64_t counted = 0;
  {
    auto instance = bed.Open({"", spinner.pid(), ""});
    if (!instance.ok()) {
      fmt::print("skipped: {}\n", Message(instance.status()));
      return;
    }
    while ((*instance)->counts().emitted < 1500) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    spinner.End();
    counted = (*instance)->counts().emitted;
  }
  CHECK(SharesOf(bed.sink.profiles, kFunctions)[pid].all == counted);
}

}  // namespace huatuo
