// What an earlier process left: segments are read once from end to end, frame by frame.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "collector/ship/crc32c.h"
#include "collector/ship/frame.h"
#include "collector/ship/segment.h"

namespace huatuo {
namespace {

namespace fs = std::filesystem;

std::string MarksBody(const Log& log) {
  return fmt::format("{:020} {:020} {:020} {:020}", log.acked, log.dropped, log.dropped_from_ns,
                     log.dropped_to_ns);
}

// Absent or damaged marks leave 0: holes are then "spool_corrupt", and the server says what it has.
void LoadMarks(Log* log) {
  std::ifstream file(log->folder + "/marks");
  std::string line;
  std::getline(file, line);
  Log read;
  if (std::sscanf(line.c_str(), "%" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64, &read.acked,
                  &read.dropped, &read.dropped_from_ns, &read.dropped_to_ns) != 4 ||
      MarksText(read) != line + "\n") {
    return;
  }
  log->acked = read.acked;
  log->dropped = read.dropped;
  log->dropped_from_ns = read.dropped_from_ns;
  log->dropped_to_ns = read.dropped_to_ns;
}

void Count(const Record& record, Segment* segment) {
  const bool first = segment->last == 0;
  segment->from_ns = first ? record.from_ns : std::min(segment->from_ns, record.from_ns);
  segment->to_ns = first ? record.to_ns : std::max(segment->to_ns, record.to_ns);
  segment->last = std::max(segment->last, record.sequence);
  segment->gone += record.gap ? record.size() : 0;
}

// nullopt when the file holds nothing, not even damage.
std::optional<Segment> Scan(const fs::path& path, uint32_t seed) {
  Segment segment{.path = path.string()};
  if (std::sscanf(path.filename().c_str(), "%" SCNu64 ".seg", &segment.first) != 1 ||
      segment.first == 0) {
    return std::nullopt;
  }
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  FrameReader reader(descriptor, seed, 0);
  while (std::optional<Record> record = reader.Next()) {
    Count(*record, &segment);
  }
  if (reader.damaged()) {
    // At least one record lay there.
    segment.last = std::max({segment.first, segment.last + 1, reader.damaged_sequence()});
  }
  if (descriptor >= 0) {
    close(descriptor);
  }
  std::error_code error;
  segment.bytes = fs::file_size(path, error);
  if (segment.last < segment.first) {
    return std::nullopt;
  }
  return segment;
}

bool ParseName(const std::string& name, std::string* epoch) {
  if (name.size() != 45 || !name.starts_with("e-") || name[12] != '-') {
    return false;
  }
  for (size_t i = 13; i < name.size(); i += 2) {
    unsigned byte = 0;
    if (std::sscanf(name.substr(i, 2).c_str(), "%2x", &byte) != 1) {
      return false;
    }
    epoch->push_back(static_cast<char>(byte));
  }
  return true;
}

}  // namespace

std::string MarksText(const Log& log) {
  std::string body = MarksBody(log);
  return fmt::format("{} {:08x}\n", body, Crc32c(body));
}

std::optional<Log> RecoverLog(const std::string& folder) {
  Log log{.folder = folder};
  if (!ParseName(fs::path(folder).filename().string(), &log.epoch)) {
    return std::nullopt;
  }
  log.seed = Crc32c(log.epoch);
  LoadMarks(&log);
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder, error)) {
    if (std::optional<Segment> segment = Scan(file.path(), log.seed)) {
      log.segments.push_back(*std::move(segment));
    }
  }
  std::sort(log.segments.begin(), log.segments.end(),
            [](const Segment& a, const Segment& b) { return a.first < b.first; });
  log.end = std::max(log.acked, log.dropped);
  if (!log.segments.empty()) {
    log.end = std::max(log.end, log.segments.back().last);
  }
  return log;
}

}  // namespace huatuo
