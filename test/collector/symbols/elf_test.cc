#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>

#include "test/collector/symbols/elf_image.h"

namespace huatuo {
namespace {

std::string Names(const std::string& image, const std::vector<uint64_t>& addresses) {
  return Names(MemorySource(image), addresses);
}

TEST_CASE("an address belongs to the function that contains it") {
  const std::string image = MakeElf({{"b", 0x200, 0x10}, {"a", 0x100, 0x80}});
  CHECK(Names(image, {0x100, 0x17f, 0x180, 0x20f, 0x210}) ==
        "a [0x100,0x180) a [0x100,0x180) - [0x180,0x200) b [0x200,0x210) "
        "- [0x210,0xffffffffffffffff)");
}

TEST_CASE("before the first function there is none") {
  CHECK(Names(MakeElf({{"a", 0x100, 0x80}}), {0x10}) == "- [0x0,0x100)");
}

TEST_CASE("a function without size reaches to the next one") {
  const std::string image = MakeElf({{"label", 0x100, 0}, {"next", 0x180, 0x10}});
  CHECK(Names(image, {0x101, 0x17f, 0x190}) ==
        "label [0x100,0x180) label [0x100,0x180) - [0x190,0xffffffffffffffff)");
}

TEST_CASE("the last address of all is in no function") {
  CHECK(Names(MakeElf({{"label", 0x100, 0}}), {0x200, ~uint64_t{0}}) ==
        "label [0x100,0xffffffffffffffff) - [0x100,0xffffffffffffffff)");
}

TEST_CASE(
    "a size wins over a label, the inner function over the outer, the first alias over others") {
  const std::string image = MakeElf({{"outer", 0x100, 0x100},
                                     {"label", 0x108, 0},
                                     {"inner", 0x140, 0x10},
                                     {"alias", 0x140, 0x10}});
  CHECK(Names(image, {0x110, 0x148, 0x150}) ==
        "outer [0x100,0x200) inner [0x140,0x150) outer [0x100,0x200)");
}

TEST_CASE("what is no function here has no name") {
  const std::string image = MakeElf({{"data", 0x100, 0x80, STT_OBJECT},
                                     {"imported", 0x100, 0x80, STT_FUNC, SHN_UNDEF},
                                     {"ifunc", 0x200, 0x10, STT_GNU_IFUNC}});
  CHECK(Names(image, {0x110, 0x200}) == "- [0x0,0x200) ifunc [0x200,0x210)");
}

TEST_CASE("a name is cut after a KiB, and one outside of its table is none") {
  std::string image = MakeElf({{std::string(5000, 'x'), 0x100, 0x10}});
  CHECK(Names(image, {0x100}).size() == 1024 + std::string(" [0x100,0x110)").size());
  const size_t entry = image.size() - 3 * sizeof(Elf64_Shdr) - sizeof(Elf64_Sym);
  const uint32_t beyond = 1 << 30;
  std::memcpy(&image[entry], &beyond, sizeof(beyond));
  CHECK(Names(image, {0x100}) == "- [0x100,0x110)");
}

TEST_CASE("offsets in the file are addresses of its code segment, or of nothing") {
  const std::string image = MakeElf({});
  const auto file = ReadElf(MemorySource(image));
  REQUIRE(file.ok());
  CHECK(file->AddressOf(0x1234) == 0x401234);
  CHECK(file->AddressOf(0xfff) == std::nullopt);
  CHECK(file->AddressOf(0x11000) == std::nullopt);
}

TEST_CASE("a file that is cut or lies is refused, or has no names") {
  const std::string image = MakeElf({{"a", 0x100, 0x80}});
  CHECK(Names("#!/bin/sh\nexec something that is longer\n", {0x100}) == "elf: not an ELF file");
  CHECK(Names("", {0x100}) == "elf: not an ELF file");
  CHECK(Names(image.substr(0, 40), {0x100}) == "elf: the header is cut");
  CHECK(Names(image.substr(0, 100), {0x100}) == "elf: a table lies outside of the file");
  // The sections are at the end.
  CHECK(Names(image.substr(0, image.size() - 1), {0x100}) == "- [0x0,0xffffffffffffffff)");
  std::string lie = image;
  lie[EI_DATA] = ELFDATA2MSB;
  CHECK(Names(lie, {0x100}) == "elf: of another byte order");
  lie = image;
  reinterpret_cast<Elf64_Ehdr*>(lie.data())->e_phnum = 0xffff;
  CHECK(Names(lie, {0x100}) == "elf: too many segments");
  lie = image;
  reinterpret_cast<Elf64_Ehdr*>(lie.data())->e_shnum = 0xffff;
  CHECK(Names(lie, {0x100}) == "- [0x0,0xffffffffffffffff)");
  lie = image;
  Elf64_Shdr symbols{};
  char* const second = lie.data() + lie.size() - 2 * sizeof(symbols);
  std::memcpy(&symbols, second, sizeof(symbols));
  symbols.sh_size = ~0ULL;
  std::memcpy(second, &symbols, sizeof(symbols));
  CHECK(Names(lie, {0x100}) == "- [0x0,0xffffffffffffffff)");
  symbols.sh_size = 48;
  symbols.sh_link = 77;
  std::memcpy(second, &symbols, sizeof(symbols));
  CHECK(Names(lie, {0x100}) == "- [0x0,0xffffffffffffffff)");
}

TEST_CASE("a table in which everything overlaps with everything is given up") {
  std::vector<ImageSymbol> symbols(60'000, {"f", 0, 1 << 20});
  std::vector<uint64_t> addresses(1000);
  for (size_t i = 0; i < addresses.size(); ++i) addresses[i] = i;
  CHECK(Names(MakeElf(symbols), addresses) == "elf: the functions overlap too much");
}

TEST_CASE("of a file of 4 GiB only the headers and the tables are read") {
  // A hole of 4 GiB before the sections.
  std::string image = MakeElf({{"far", 0x100, 0x10}});
  const size_t tail = image.size() - 3 * sizeof(Elf64_Shdr);
  const uint64_t at = 1ULL << 32;
  reinterpret_cast<Elf64_Ehdr*>(image.data())->e_shoff = at;
  char path[] = "/tmp/huatuo-elf-XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  unlink(path);
  REQUIRE(pwrite(fd, image.data(), tail, 0) == static_cast<ssize_t>(tail));
  REQUIRE(pwrite(fd, image.data() + tail, image.size() - tail, static_cast<off_t>(at)) > 0);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(Names(FileSource(fd, at + image.size() - tail), {0x100}) == "far [0x100,0x110)");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
}

TEST_CASE("whatever byte is changed, the answer has one range for each address or a reason") {
  const std::string image = MakeElf({{"a", 0x100, 0x80}, {"b", 0x200, 0}, {"c", 0x300, 0x10}});
  size_t answered = 0;
  for (size_t at = 0; at < image.size(); ++at) {
    for (const unsigned char value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string lie = image;
      lie[at] = static_cast<char>(value);
      const MemorySource source(lie);
      const auto file = ReadElf(source);
      if (!file.ok()) continue;
      const std::vector<uint64_t> addresses = {0x110, 0x210, 0x305, ~0ULL};
      const auto ranges = FindSymbols(*file, source, addresses);
      if (!ranges.ok()) continue;
      ++answered;
      CHECK(ranges->size() == addresses.size());
    }
  }
  CHECK(answered > 1000);
}

FileSource Open(const char* path) {
  struct stat status {};
  REQUIRE(stat(path, &status) == 0);
  return {open(path, O_RDONLY | O_CLOEXEC), static_cast<uint64_t>(status.st_size)};
}

// Where `name` begins, by all symbols in the code of the whole file.
uint64_t AddressIn(const char* path, const std::string& name) {
  const FileSource source = Open(path);
  const auto file = ReadElf(source);
  REQUIRE(file.ok());
  for (const ElfFile::Segment& segment : file->segments) {
    std::vector<uint64_t> all(segment.bytes);
    for (size_t i = 0; i < all.size(); ++i) all[i] = segment.address + i;
    const auto ranges = FindSymbols(*file, source, all);
    REQUIRE(ranges.ok());
    for (const SymbolRange& range : *ranges) {
      if (range.name == name) return range.begin;
    }
  }
  return 0;
}

std::string NameIn(const char* path, uint64_t address) {
  const FileSource source = Open(path);
  const auto file = ReadElf(source);
  REQUIRE(file.ok());
  const auto ranges = FindSymbols(*file, source, std::vector<uint64_t>{address});
  REQUIRE(ranges.ok());
  return ranges->front().name + " " + file->build_id;
}

TEST_CASE("a library of the compiler has its local functions; stripped, the exported ones") {
  const uint64_t local = AddressIn(WHOLE, "_ZN7fixtureL5LocalEi");
  const uint64_t exported = AddressIn(WHOLE, "_ZN7fixture8ExportedEi");
  REQUIRE(local != 0);
  CHECK(NameIn(WHOLE, exported) == "_ZN7fixture8ExportedEi 0123456789abcdef");
  CHECK(NameIn(STRIPPED, exported) == "_ZN7fixture8ExportedEi 0123456789abcdef");
  CHECK(NameIn(STRIPPED, local) == " 0123456789abcdef");
}

}  // namespace
}  // namespace huatuo
