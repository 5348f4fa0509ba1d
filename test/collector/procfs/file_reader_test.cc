#include "collector/procfs/file_reader.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "test/bpf/cgroup_folder.h"
#include "test/collector/enrich/fixture.h"

namespace huatuo {
namespace {

class Losses : public EventSink {
 public:
  void Emit(const OpenRequest&, size_t, std::shared_ptr<const void>) override {}
  void Lost(const OpenRequest&, std::string_view cause, uint64_t count) override {
    text += fmt::format("{} {};", cause, count);
  }
  std::string text;
};

struct Bench {
  Fixture tree{""};
  Root root{tree.folder()};
  Losses losses;
  FileReader files{root, OpenRequest(), losses};
  std::string Read(KeptFile& file) { return std::string(files.Read(file).value_or("none")); }
};

int OpenDescriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += entry.path().empty() ? 0 : 1;
  }
  return count;
}

TEST_CASE("a file is opened once, and tells what is new") {
  Bench bench;
  bench.tree.Write("/f", "one\n");
  const int before = OpenDescriptors();
  {
    KeptFile file("/f");
    CHECK(bench.Read(file) == "one\n");
    bench.tree.Write("/f", "two and more\n");
    CHECK(bench.Read(file) == "two and more\n");
    CHECK(OpenDescriptors() == before + 1);
    KeptFile moved(std::move(file));
    CHECK(bench.Read(moved) == "two and more\n");
    CHECK(OpenDescriptors() == before + 1);
    KeptFile passing("/f", Presence::kRequired, false);
    CHECK(bench.Read(passing) == "two and more\n");
    CHECK(OpenDescriptors() == before + 1);
  }
  CHECK(OpenDescriptors() == before);
  CHECK(bench.losses.text.empty());
}

TEST_CASE("a long file is read whole, an endless one is refused") {
  Bench bench;
  const std::string text(3 << 20, 'x');
  bench.tree.Write("/long", text);
  KeptFile file("/long");
  CHECK(bench.Read(file) == text);
  bench.tree.Write("/long", std::string(9 << 20, 'x'));
  CHECK(bench.Read(file) == "none");
  CHECK(bench.losses.text == "malformed_file 1;");
}

TEST_CASE("what is not there is a loss only where it must be") {
  Bench bench;
  bench.tree.Make("/folder");
  KeptFile required("/gone");
  KeptFile optional("/gone", Presence::kOptional);
  KeptFile folder("/folder", Presence::kOptional);
  CHECK(bench.Read(required) == "none");
  CHECK(bench.Read(optional) == "none");
  CHECK(bench.losses.text == "unreadable_file 1;");
  CHECK(bench.Read(folder) == "none");
  CHECK(bench.losses.text == "unreadable_file 1;unreadable_file 1;");
  // It may come later.
  bench.tree.Write("/gone", "here\n");
  CHECK(bench.Read(optional) == "here\n");
}

// A process's folder is the vanishing thing that every machine has: the same ESRCH or ENODEV.
TEST_CASE("a file whose subject ended while it was open is counted apart") {
  Losses losses;
  const Root root;
  FileReader files(root, OpenRequest(), losses);
  int hold[2];
  REQUIRE(pipe(hold) == 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    close(hold[1]);
    _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1);
  }
  KeptFile file(fmt::format("/proc/{}/stat", child), Presence::kOptional);
  CHECK(files.Read(file).has_value());
  close(hold[1]);
  close(hold[0]);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK_FALSE(files.Read(file).has_value());
  CHECK(losses.text == "vanished_cgroup 1;");
}

TEST_CASE("[host] a file of a cgroup that was made again is of the new one") {
  std::optional<CgroupFolder> cgroup;
  cgroup.emplace("memory", "huatuo-reader-test");
  if (!cgroup->ok()) {
    fmt::print("skipped: no cgroup of the memory controller can be made here\n");
    return;
  }
  const std::string name = cgroup->v2() ? "memory.max" : "memory.limit_in_bytes";
  Losses losses;
  const Root root;
  FileReader files(root, OpenRequest(), losses);
  KeptFile file(cgroup->path() + "/" + name, Presence::kOptional);
  const auto read = [&] { return std::string(files.Read(file).value_or("none")); };
  REQUIRE(cgroup->Write(name, "1048576"));
  CHECK(read() == "1048576\n");
  cgroup.emplace("memory", "huatuo-reader-test");
  REQUIRE(cgroup->Write(name, "2097152"));
  CHECK(read() == "2097152\n");
  CHECK(losses.text.empty());
  cgroup.reset();
  CHECK(read() == "none");
  CHECK(losses.text == "vanished_cgroup 1;");
  // It is open no more: there is no such file.
  CHECK(read() == "none");
  CHECK(losses.text == "vanished_cgroup 1;");
}

}  // namespace
}  // namespace huatuo
