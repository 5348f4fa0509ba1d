#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "collector/symbols/perf_map.h"
#include "collector/symbols/user_symbols.h"
#include "common/status.h"
#include "test/collector/symbols/elf_image.h"

namespace huatuo {
namespace {

namespace fs = std::filesystem;

// A folder with the proc of one process, 42, that its namespace calls 7.
class ProcTree {
 public:
  ProcTree() {
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
    Write("/proc/42/stat", "42 (an (odd) app) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0 0\n");
    Write("/proc/42/status", "Name:\tapp\nPid:\t42\nNSpid:\t42\t7\nVmPeak:\t1 kB\n");
  }
  ~ProcTree() { fs::remove_all(folder_); }

  const std::string& folder() const { return folder_; }
  std::string Inside(const std::string& path) const { return folder_ + "/proc/42/root" + path; }
  void Write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(folder_ + path).parent_path());
    std::ofstream(folder_ + path) << text;
  }
  // The line of maps that maps a file of the process's root at `begin`.
  std::string Line(uint64_t begin, uint64_t offset, const std::string& path) const {
    struct stat status {};
    stat(Inside(path).c_str(), &status);
    return fmt::format("{:x}-{:x} r-xp {:08x} 08:01 {} {:>30}\n", begin, begin + 0x10000, offset,
                       status.st_ino, path);
  }

 private:
  std::string folder_ = "/tmp/huatuo-proc-XXXXXX";
};

const ProcessId kApp{42, 5'000'000'000, "an (odd) app"};

std::string Print(const UserSymbols::Answer& answer) {
  std::string text;
  for (const UserFrame& frame : answer.frames) {
    text += fmt::format("{}|{}|{:#x}+{:#x} ", frame.module, frame.function, frame.address,
                        frame.offset);
  }
  return text + (answer.gone ? "gone" : "") + (answer.cut ? "cut" : "");
}

std::string Print(const Mappings& mappings) {
  std::string text;
  for (const Mapping& one : mappings.code) {
    text += fmt::format("{:x}-{:x}+{:x} {} {}\n", one.begin, one.end, one.offset, one.inode,
                        mappings.PathOf(one));
  }
  return text;
}

TEST_CASE("of the mappings those with code are kept") {
  Mappings mappings;
  for (const char* line :
       {"55d0c0000000-55d0c0001000 r--p 00000000 08:01 99 /bin/app",
        "55d0c0001000-55d0c0002000 r-xp 00001000 08:01 99                    /bin/an app (deleted)",
        "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 ",
        "7fff00000000-7fff00002000 r-xp 00000000 00:00 0                          [vdso]",
        "not a line", "1-zz r-xp 0 0 0 x", "", "7fff-8000"}) {
    AddMapping(line, mappings);
  }
  CHECK(Print(mappings) ==
        "55d0c0001000-55d0c0002000+1000 99 /bin/an app\n"
        "7f0000000000-7f0000001000+0 0 \n"
        "7fff00000000-7fff00002000+0 0 [vdso]\n");
  CHECK(mappings.Find(0x55d0c0001fff) == mappings.code.data());
  CHECK(mappings.Find(0x55d0c0002000) == nullptr);
  CHECK(mappings.Find(0) == nullptr);
}

TEST_CASE("of 100,000 mappings the first 4096 with code are kept, and it is told") {
  const ProcTree tree;
  std::string text;
  for (uint64_t i = 1; i <= 100'000; ++i) {
    text +=
        fmt::format("{:x}-{:x} r-xp 00000000 08:01 {} /lib/{}.so\n", i << 12, (i + 1) << 12, i, i);
  }
  tree.Write("/proc/42/maps", text);
  const auto mappings = ReadMappings(Root(tree.folder()), 42);
  REQUIRE(mappings.ok());
  CHECK(mappings->code.size() == 4096);
  CHECK(mappings->cut);
  CHECK(mappings->bytes() < 512 << 10);
  CHECK(ReadMappings(Root(tree.folder()), 43).status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("a process is itself by start and name") {
  const ProcTree tree;
  const Root root(tree.folder());
  CHECK(IsAlive(root, kApp));
  CHECK(IsAlive(root, {42, 5'009'999'999, "an (odd) app"}));
  CHECK_FALSE(IsAlive(root, {42, 5'010'000'000, "an (odd) app"}));
  CHECK_FALSE(IsAlive(root, {42, 5'000'000'000, "before exec"}));
  CHECK_FALSE(IsAlive(root, {43, 5'000'000'000, "an (odd) app"}));
}

TEST_CASE("frames get names from the file, the perf map, or say what is known") {
  const ProcTree tree;
  tree.Write("/proc/42/root/lib/a.so", MakeElf({{"_ZN1n1fEv", 0x401100, 0x10}}));
  tree.Write("/proc/42/root/lib/note.txt", "no code");
  tree.Write("/proc/42/root/tmp/perf-7.map", "7f0100 20 jit one\n7f0110 8 jit two\nbroken\n");
  tree.Write("/proc/42/maps", tree.Line(0x100000, 0x1000, "/lib/a.so") +
                                  "200000-201000 r-xp 00000000 08:01 12345 /lib/gone.so\n"
                                  "7f0000-7f1000 rwxp 00000000 00:00 0\n");
  const Root root(tree.folder());
  UserSymbols symbols(root);
  CHECK(Print(symbols.Resolve(kApp, std::vector<uint64_t>{0x100104, 0x100200, 0x200010, 0x7f0101,
                                                          0x7f0112, 0x7f0200, 0x10})) ==
        "/lib/a.so|n::f()|0x401104+0x4 /lib/a.so||0x401200+0x401200 /lib/gone.so||0x10+0x10 "
        "[jit]|jit one|0x7f0101+0x1 [jit]|jit two|0x7f0112+0x2 [jit]||0x0+0x0 ||0x0+0x0 ");
}

TEST_CASE("of a process that ended nothing is known") {
  const ProcTree tree;
  tree.Write("/proc/42/maps", "");
  const Root root(tree.folder());
  UserSymbols symbols(root);
  CHECK(Print(symbols.Resolve({42, 1, "other"}, std::vector<uint64_t>{1, 2})) ==
        "||0x0+0x0 ||0x0+0x0 gone");
}

TEST_CASE("a link of the process leads nowhere outside of its root") {
  const ProcTree tree;
  tree.Write("/secret", "7f0100 20 secret\n");
  fs::create_directories(tree.Inside("/tmp"));
  fs::create_symlink(tree.folder() + "/secret", tree.Inside("/tmp/perf-7.map"));
  CHECK_FALSE(OpenPerfMap(Root(tree.folder()), 42).has_value());
  fs::remove(tree.Inside("/tmp/perf-7.map"));
  REQUIRE(mkfifo(tree.Inside("/tmp/perf-7.map").c_str(), 0600) == 0);
  CHECK_FALSE(OpenPerfMap(Root(tree.folder()), 42).has_value());
}

TEST_CASE("a later line of a perf map replaces an earlier one") {
  const std::string text = "100 20 old\n0x108 0x8 new\n110 8\n1g0 8 x\n\n200 ffffffffff huge\n";
  std::string names;
  for (const JitSymbol& symbol :
       FindInPerfMap(MemorySource(text), std::vector<uint64_t>{0x100, 0x108, 0x110, 0x120, 0x200})
           .found) {
    names += fmt::format("{}@{:x} ", symbol.name, symbol.begin);
  }
  CHECK(names == "old@100 new@108 old@100 @0 @0 ");
}

TEST_CASE("a perf map longer than a chunk is read to its end") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += fmt::format("{:x} 10 function_{}\n", 0x1000 + i * 16, i);
  const auto symbols = FindInPerfMap(
      MemorySource(text), std::vector<uint64_t>{0x1000, 0x1000 + 9'999 * 16, 0x1000 + 19'999 * 16});
  CHECK(symbols.found[0].name + symbols.found[1].name + symbols.found[2].name ==
        "function_0function_9999function_19999");
}

TEST_CASE("the memory for names keeps its bound, and forgotten files are read again") {
  const ProcTree tree;
  std::string maps;
  constexpr size_t kFiles = 40;
  for (size_t i = 0; i < kFiles; ++i) {
    const std::string path = fmt::format("/lib/{}.so", i);
    std::vector<ImageSymbol> functions;
    for (uint64_t f = 0; f < 50; ++f) {
      functions.push_back(
          {fmt::format("a_name_that_is_not_short_{}_{}", i, f), 0x401000 + f * 16, 16});
    }
    tree.Write("/proc/42/root" + path, MakeElf(functions));
    maps += tree.Line((i + 1) << 20, 0x1000, path);
  }
  tree.Write("/proc/42/maps", maps);
  const Root root(tree.folder());
  constexpr size_t kLimit = 64 << 10;
  UserSymbols symbols(root, kLimit);
  for (size_t i = 0; i < kFiles; ++i) {
    std::vector<uint64_t> addresses;
    for (uint64_t f = 0; f < 50; ++f) addresses.push_back(((i + 1) << 20) + f * 16);
    const auto answer = symbols.Resolve(kApp, addresses);
    CHECK(answer.frames[7].function == fmt::format("a_name_that_is_not_short_{}_7", i));
    CHECK(symbols.counts().bytes <= kLimit);
  }
  CHECK(symbols.counts().forgotten > 20);
  CHECK(Print(symbols.Resolve(kApp, std::vector<uint64_t>{1 << 20})) ==
        "/lib/0.so|a_name_that_is_not_short_0_0|0x401000+0x0 ");
}

TEST_CASE("a file that is gone before it is read is not taken for one without names") {
  const ProcTree tree;
  tree.Write("/a.so", MakeElf({{"first", 0x401000, 16}, {"second", 0x401010, 16}}));
  const std::string path = tree.folder() + "/a.so";
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  const FileId id{status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
                  status.st_ctim.tv_sec * 1'000'000'000 + status.st_ctim.tv_nsec};
  FileId changed = id;
  ++changed.changed_ns;
  ModuleCache modules(1 << 20);
  CHECK(modules.Of(ForeignFile(path, changed)) == nullptr);
  CHECK(modules.Of(ForeignFile(path + ".gone", id)) == nullptr);
  CHECK(modules.counts().files + modules.counts().unreadable == 0);
  const ForeignFile file(path, id);
  Module* const module = modules.Of(file);
  REQUIRE(module != nullptr);
  modules.Look(*module, file, std::vector<uint64_t>{0x401000});
  modules.Look(*module, ForeignFile(path + ".gone", id), std::vector<uint64_t>{0x401000, 0x401010});
  CHECK(module->Find(0x401000)->name == "first");
  CHECK(!module->Find(0x401010).has_value());
  modules.Look(*module, file, std::vector<uint64_t>{0x401010});
  CHECK(module->Find(0x401010)->name == "second");
}

TEST_CASE("the vdso of this kernel has names") {
  Mappings mappings;
  const Root root;
  const auto own = ReadMappings(root, static_cast<uint32_t>(getpid()));
  REQUIRE(own.ok());
  ModuleCache modules(1 << 20);
  Module* vdso = modules.Vdso();
  REQUIRE(vdso != nullptr);
  std::vector<uint64_t> all(vdso->file().segments.front().bytes);
  for (size_t i = 0; i < all.size(); ++i) all[i] = vdso->file().segments.front().address + i;
  modules.Look(*vdso, modules.vdso_source(), all);
  size_t named = 0;
  for (const uint64_t address : all) {
    named += vdso->Find(address)->name.find("clock_gettime") != std::string_view::npos;
  }
  CHECK(named > 0);
}

}  // namespace
}  // namespace huatuo
