#include "collector/symbols/mappings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "common/status.h"

namespace huatuo {
namespace {

constexpr size_t kMaxMappings = 4096;
constexpr size_t kMaxFileBytes = 16 << 20;

// The next word of `line`, which it is taken from.
std::string_view Word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

bool Number(std::string_view text, int base, uint64_t& value) {
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc() && at == end;
}

// Reads a file to its end, or to kMaxFileBytes, and calls `take` for each line.
template <typename Take>
absl::Status ReadLines(const std::string& path, const Take& take, bool& cut) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open " + path);
  // A line has at most a path of 4 KiB and 80 bytes before it. Not cleared: most files are short.
  constexpr size_t kBytes = 64 << 10;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBytes);
  size_t have = 0;
  size_t total = 0;
  ssize_t got = 0;
  while (!cut && (got = read(fd, buffer.get() + have, kBytes - have)) > 0) {
    have += static_cast<size_t>(got);
    total += static_cast<size_t>(got);
    size_t begin = 0;
    const std::string_view text(buffer.get(), have);
    for (size_t end = 0; (end = text.find('\n', begin)) != std::string_view::npos;
         begin = end + 1) {
      take(text.substr(begin, end - begin));
    }
    have -= begin;
    std::memmove(buffer.get(), buffer.get() + begin, have);
    cut = total >= kMaxFileBytes || have == kBytes;
  }
  const int error = errno;
  close(fd);
  return got < 0 ? ErrnoStatus(error, "read " + path) : absl::OkStatus();
}

}  // namespace

const Mapping* Mappings::Find(uint64_t address) const {
  const auto after =
      std::upper_bound(code.begin(), code.end(), address,
                       [](uint64_t value, const Mapping& one) { return value < one.begin; });
  if (after == code.begin() || address >= std::prev(after)->end) return nullptr;
  return &*std::prev(after);
}

size_t Mappings::bytes() const {
  size_t sum = code.capacity() * sizeof(Mapping);
  for (const std::string& path : paths) sum += sizeof(std::string) + path.capacity();
  return sum;
}

// "7f3c5a000000-7f3c5a1d5000 r-xp 00026000 08:01 1835042    /usr/lib/x86_64-linux-gnu/libc.so.6"
void AddMapping(std::string_view line, Mappings& mappings) {
  Mapping mapping;
  const std::string_view range = Word(line);
  const size_t dash = range.find('-');
  const std::string_view rights = Word(line);
  if (dash == std::string_view::npos || rights.size() < 3 || rights[2] != 'x') return;
  if (!Number(range.substr(0, dash), 16, mapping.begin) ||
      !Number(range.substr(dash + 1), 16, mapping.end) || !Number(Word(line), 16, mapping.offset) ||
      mapping.begin >= mapping.end) {
    return;
  }
  Word(line);  // the device
  if (!Number(Word(line), 10, mapping.inode)) return;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  constexpr std::string_view kDeleted = " (deleted)";
  if (line.ends_with(kDeleted)) line.remove_suffix(kDeleted.size());
  if (mappings.code.size() >= kMaxMappings) {
    mappings.cut = true;
    return;
  }
  // The parts of one file follow each other.
  if (mappings.paths.empty() || mappings.paths.back() != line) mappings.paths.emplace_back(line);
  mapping.path = static_cast<uint32_t>(mappings.paths.size() - 1);
  mappings.code.push_back(mapping);
}

absl::StatusOr<Mappings> ReadMappings(const Root& root, uint32_t pid) {
  Mappings mappings;
  bool cut = false;
  const absl::Status status = ReadLines(
      root.Path(fmt::format("/proc/{}/maps", pid)),
      [&](std::string_view line) { AddMapping(line, mappings); }, cut);
  if (!status.ok()) return status;
  mappings.cut = mappings.cut || cut;
  return mappings;
}

}  // namespace huatuo
