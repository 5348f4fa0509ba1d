#include "collector/ship/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "collector/ship/crc32c.h"
#include "collector/ship/frame.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace fs = std::filesystem;

// A process that is killed again and again leaves an epoch each time, and each costs a stream of
// its own to deliver.
constexpr size_t kMaxEpochs = 256;

std::vector<std::string> EpochFolders(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with("e-")) {
      names.push_back(entry.path().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t GenerationAfter(const std::vector<std::string>& folders) {
  unsigned long long newest = 0;
  for (const std::string& folder : folders) {
    unsigned long long generation = 0;
    if (std::sscanf(fs::path(folder).filename().c_str(), "e-%10llu-", &generation) == 1) {
      newest = std::max(newest, generation);
    }
  }
  return newest + 1;
}

// What dropping `segment` gives up: neither acked nor declared lost before.
uint64_t Lost(const Log& log, const Segment& segment) {
  uint64_t from = std::max(segment.first, log.acked + 1);
  uint64_t held = segment.last >= from ? segment.last - from + 1 : 0;
  return held > segment.gone ? held - segment.gone : 0;
}

void MarkDropped(const Segment& segment, Log* log) {
  if (segment.last <= log->acked) {
    return;
  }
  if (log->dropped <= log->acked) {
    log->dropped_from_ns = segment.from_ns;
    log->dropped_to_ns = segment.to_ns;
  }
  log->dropped = std::max(log->dropped, segment.last);
  log->dropped_from_ns = std::min(log->dropped_from_ns, segment.from_ns);
  log->dropped_to_ns = std::max(log->dropped_to_ns, segment.to_ns);
}

}  // namespace

Spool::Spool(const SpoolOptions& options, Disk& disk, Losses& losses)
    : options_(options), disk_(disk), losses_(losses), epoch_(RandomId()) {}

Spool::~Spool() {
  CloseSegment();
  if (lock_ >= 0) {
    close(lock_);
  }
}

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const SpoolOptions& options, Disk& disk,
                                                   Losses& losses) {
  auto spool = std::unique_ptr<Spool>(new Spool(options, disk, losses));
  RETURN_IF_ERROR(disk.MakeFolder(options.folder));
  RETURN_IF_ERROR(spool->LockFolder());
  spool->Recover();
  return spool;
}

absl::Status Spool::LockFolder() {
  // The folder itself, since a lock file could not be made on a full disk.
  lock_ = open(options_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) {
    return ErrnoStatus(errno, options_.folder);
  }
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return FailedPrecondition(
        fmt::format("spool {}: another process is using it", options_.folder));
  }
  return absl::OkStatus();
}

void Spool::Recover() {
  std::vector<std::string> folders = EpochFolders(options_.folder);
  for (const std::string& folder : folders) {
    std::optional<Log> log = RecoverLog(folder);
    if (log && !log->done()) {
      logs_.push_back(*std::move(log));
    } else if (log) {
      disk_.Remove(folder).IgnoreError();
    }
  }
  while (logs_.size() > kMaxEpochs) {
    AbandonOldest();
  }
  logs_.push_back({.folder = fmt::format("{}/e-{:010}-{}", options_.folder,
                                         GenerationAfter(folders), Hex(epoch_)),
                   .epoch = epoch_,
                   .seed = Crc32c(epoch_)});
}

void Spool::AbandonOldest() {
  Log& log = logs_.front();
  Abandoned abandoned;
  for (const Segment& segment : log.segments) {
    losses_.Add(Losses::kSpoolFull, Lost(log, segment));
    const bool first = abandoned.from_ns == 0;
    abandoned.from_ns = first ? segment.from_ns : std::min(abandoned.from_ns, segment.from_ns);
    abandoned.to_ns = std::max(abandoned.to_ns, segment.to_ns);
  }
  abandoned_.push_back(abandoned);
  disk_.Remove(log.folder).IgnoreError();
  logs_.pop_front();
}

Log* Spool::Find(const std::string& epoch) {
  auto it =
      std::find_if(logs_.begin(), logs_.end(), [&](const Log& log) { return log.epoch == epoch; });
  return it == logs_.end() ? nullptr : &*it;
}

const Log* Spool::Find(const std::string& epoch) const {
  return const_cast<Spool*>(this)->Find(epoch);
}

uint64_t Spool::BytesLocked() const {
  uint64_t bytes = 0;
  for (const Log& log : logs_) {
    for (const Segment& segment : log.segments) {
      bytes += segment.bytes;
    }
  }
  return bytes;
}

// ---- the writer

absl::Status Spool::Append(std::span<const SharedRecord> records, size_t* written) {
  *written = 0;
  buffer_.clear();
  std::vector<size_t> ends;
  for (const SharedRecord& record : records) {
    AppendFrame(*record, current().seed, &buffer_);
    ends.push_back(buffer_.size());
  }
  if (records.front()->first != current().end + 1) {
    RETURN_IF_ERROR(StartOver(records.front()->first));
  }
  RETURN_IF_ERROR(MakeRoom(buffer_.size()));
  RETURN_IF_ERROR(OpenSegment(records.front()->first));
  absl::StatusOr<size_t> taken = disk_.Write(segment_, buffer_);
  size_t bytes = taken.ok() ? *taken : 0;
  while (*written < ends.size() && ends[*written] <= bytes) {
    ++*written;
  }
  size_t whole = *written == 0 ? 0 : ends[*written - 1];
  Note(records.first(*written), whole);
  if (whole < buffer_.size() && !disk_.Truncate(segment_, current().segments.back().bytes).ok()) {
    // A part of a frame stays in this file: readers pass over it.
    CloseSegment();
  }
  if (!taken.ok()) {
    return taken.status();
  }
  return whole == buffer_.size() ? absl::OkStatus()
                                 : ResourceExhausted("write: only a part was taken");
}

void Spool::Note(std::span<const SharedRecord> records, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  Segment& segment = current().segments.back();
  for (const SharedRecord& record : records) {
    const bool first = segment.last < segment.first;
    segment.from_ns = first ? record->from_ns : std::min(segment.from_ns, record->from_ns);
    segment.to_ns = first ? record->to_ns : std::max(segment.to_ns, record->to_ns);
    segment.last = record->sequence;
    segment.gone += record->gap ? record->size() : 0;
    current().end = record->sequence;
  }
  segment.bytes += bytes;
}

absl::Status Spool::OpenSegment(uint64_t first) {
  Log& log = current();
  if (segment_ >= 0 && log.segments.back().bytes < options_.segment_bytes) {
    return absl::OkStatus();
  }
  CloseSegment();
  if (!folder_made_) {
    RETURN_IF_ERROR(disk_.MakeFolder(log.folder));
    folder_made_ = true;
  }
  std::string path = fmt::format("{}/{:020}.seg", log.folder, first);
  ASSIGN_OR_RETURN(segment_, disk_.OpenAppend(path));
  std::lock_guard lock(mutex_);
  if (log.segments.empty() || log.segments.back().path != path) {
    log.segments.push_back({.path = path, .first = first, .last = first - 1});
  }
  return absl::OkStatus();
}

void Spool::CloseSegment() {
  if (segment_ >= 0) {
    close(segment_);
    segment_ = -1;
  }
}

// What is before the jump was acked before it was written: nothing here is needed any more.
absl::Status Spool::StartOver(uint64_t first) {
  CloseSegment();
  Log copy;
  std::vector<std::string> paths;
  {
    std::lock_guard lock(mutex_);
    current().acked = std::max(current().acked, first - 1);
    current().end = first - 1;
    for (const Segment& segment : current().segments) {
      paths.push_back(segment.path);
    }
    current().segments.clear();
    copy = current();
  }
  if (!folder_made_) {
    RETURN_IF_ERROR(disk_.MakeFolder(copy.folder));
    folder_made_ = true;
  }
  RETURN_IF_ERROR(disk_.Overwrite(copy.folder + "/marks", MarksText(copy)));
  for (const std::string& path : paths) {
    disk_.Remove(path).IgnoreError();
  }
  return absl::OkStatus();
}

absl::Status Spool::MakeRoom(uint64_t bytes) {
  Release();
  while (true) {
    {
      std::lock_guard lock(mutex_);
      uint64_t used = BytesLocked();
      if (used == 0 || used + bytes <= options_.limit_bytes) {
        return absl::OkStatus();
      }
    }
    DropOldest();
  }
}

void Spool::DropOldest() {
  Segment victim;
  Log copy;
  {
    std::lock_guard lock(mutex_);
    auto log = std::find_if(logs_.begin(), logs_.end(),
                            [](const Log& each) { return !each.segments.empty(); });
    victim = log->segments.front();
    log->segments.pop_front();
    losses_.Add(Losses::kSpoolFull, Lost(*log, victim));
    MarkDropped(victim, &*log);
    if (&*log == &current() && log->segments.empty()) {
      CloseSegment();
    }
    copy = {.folder = log->folder,
            .acked = log->acked,
            .dropped = log->dropped,
            .dropped_from_ns = log->dropped_from_ns,
            .dropped_to_ns = log->dropped_to_ns};
  }
  // Marks that cannot be written leave a hole that the next process calls corrupt: still a gap.
  disk_.Overwrite(copy.folder + "/marks", MarksText(copy)).IgnoreError();
  disk_.Remove(victim.path).IgnoreError();
}

bool Spool::ReleaseOne() {
  std::string path;
  Log copy;
  {
    std::lock_guard lock(mutex_);
    auto releasable = [this](const Log& log) {
      bool is_current = &log == &logs_.back();
      return is_current
                 ? log.segments.size() > 1 && log.segments.front().last <= log.acked
                 : log.done() || (!log.segments.empty() && log.segments.front().last <= log.acked);
    };
    auto log = std::find_if(logs_.begin(), logs_.end(), releasable);
    if (log == logs_.end()) {
      return false;
    }
    if (&*log != &logs_.back() && log->done()) {
      path = log->folder;
      logs_.erase(log);
    } else {
      path = log->segments.front().path;
      log->segments.pop_front();
      copy = *log;
    }
  }
  if (!copy.folder.empty()) {
    disk_.Overwrite(copy.folder + "/marks", MarksText(copy)).IgnoreError();
  }
  disk_.Remove(path).IgnoreError();
  return true;
}

void Spool::Release() {
  while (ReleaseOne()) {
  }
}

void Spool::Close() {
  CloseSegment();
  Release();
  Log copy;
  {
    std::lock_guard lock(mutex_);
    copy = current();
  }
  if (!folder_made_) {
    return;
  }
  if (copy.done()) {
    disk_.Remove(copy.folder).IgnoreError();
  } else {
    disk_.Overwrite(copy.folder + "/marks", MarksText(copy)).IgnoreError();
  }
}

// ---- the reader

std::string Spool::Oldest() const {
  std::lock_guard lock(mutex_);
  auto log =
      std::find_if(logs_.begin(), logs_.end() - 1, [](const Log& each) { return !each.done(); });
  return log->epoch;
}

uint64_t Spool::Acked(const std::string& epoch) const {
  std::lock_guard lock(mutex_);
  const Log* log = Find(epoch);
  return log == nullptr ? 0 : log->acked;
}

bool Spool::Done(const std::string& epoch) const {
  std::lock_guard lock(mutex_);
  const Log* log = Find(epoch);
  return log == nullptr || log->done();
}

void Spool::Ack(const std::string& epoch, uint64_t sequence) {
  std::lock_guard lock(mutex_);
  if (Log* log = Find(epoch)) {
    log->acked = std::max(log->acked, sequence);
  }
}

std::vector<Record> Spool::Read(const std::string& epoch, uint64_t sequence, ReadLimit limit) {
  while (true) {
    NextRead next;
    uint32_t seed = 0;
    {
      std::lock_guard lock(mutex_);
      const Log* log = Find(epoch);
      if (log == nullptr) {
        return {};
      }
      seed = log->seed;
      next = PlanRead(*log, sequence);
    }
    std::vector<Record> records;
    if (next.gap) {
      records.push_back(*std::move(next.gap));
    } else if (next.segment) {
      records = ReadSegment(*next.segment, seed, sequence, limit, &position_);
    }
    std::lock_guard lock(mutex_);
    const Log* log = Find(epoch);
    // Dropped while it was read: the loss is counted, so the gap is what must be sent.
    if (next.segment && log != nullptr && sequence <= log->dropped) {
      continue;
    }
    CountCorrupt(epoch, records);
    return records;
  }
}

void Spool::CountCorrupt(const std::string& epoch, std::span<const Record> records) {
  Log* log = Find(epoch);
  for (const Record& record : records) {
    if (log == nullptr || !record.gap || record.sequence <= log->corrupt_counted) {
      continue;
    }
    v1::Entry entry = EntryOf(record, record.first);
    if (entry.gap().cause() == Losses::kNames[Losses::kSpoolCorrupt]) {
      uint64_t from = std::max(record.first, log->corrupt_counted + 1);
      losses_.Add(Losses::kSpoolCorrupt, record.sequence - from + 1);
      log->corrupt_counted = record.sequence;
    }
  }
}

SpoolUse Spool::use() const {
  std::lock_guard lock(mutex_);
  SpoolUse use{.bytes = BytesLocked(), .epochs = logs_.size() - 1};
  for (const Log& log : logs_) {
    use.entries += log.done() ? 0 : log.end - log.acked;
  }
  return use;
}

}  // namespace huatuo
