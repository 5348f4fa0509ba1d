// The bounded spool on disk: what is not acked survives the end of the process.
//
// Written without fsync, so it survives a kill, not a power cut. Every process numbers its entries
// in an *epoch* of its own, random and named by the folder: what left over the network before it
// was written here is unknown after a kill, so that the sequence of an earlier process can never
// be continued. Epochs of earlier processes are delivered first, oldest first.
//
// When the limit is reached the oldest segment goes, counted, and readers get a gap record
// "spool_full" in its place; what is damaged becomes a gap "spool_corrupt".
//
// Append, Release, Beat and Close belong to one writer thread, Read to one reader thread; the rest
// is thread-safe. No lock is held while the disk works.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/ship/disk.h"
#include "collector/ship/segment.h"

namespace huatuo {

struct SpoolOptions {
  std::string folder{};
  uint64_t limit_bytes = 64 << 20;
  uint64_t segment_bytes = 4 << 20;
};

struct SpoolUse {
  uint64_t bytes = 0;
  uint64_t entries = 0;  // not acked, gaps included
  uint64_t epochs = 0;   // of earlier processes
};

// Events that are gone with an epoch that was given up whole.
struct Abandoned {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
};

class Spool {
 public:
  // FailedPrecondition when another process has the folder. Reads every segment that is left.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const SpoolOptions& options, Disk& disk,
                                                     Losses& losses);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // 16 bytes, of this process.
  const std::string& epoch() const { return epoch_; }

  // Appends records in order; `*written` of them are in the file, also when the rest is not. A jump
  // in the sequence says that everything before it is acked.
  absl::Status Append(std::span<const SharedRecord> records, size_t* written);

  // Deletes what is acked.
  void Release();

  // Removes the epoch of this process when it is acked, or writes down how far it is.
  void Close();

  // The oldest epoch that is not acked; that of this process when none is older.
  std::string Oldest() const;
  // The last sequence the server has acked of `epoch`, 0 when unknown.
  uint64_t Acked(const std::string& epoch) const;
  bool Done(const std::string& epoch) const;
  void Ack(const std::string& epoch, uint64_t sequence);

  // Records of `epoch` from `sequence` on, contiguous; empty at the end.
  std::vector<Record> Read(const std::string& epoch, uint64_t sequence, ReadLimit limit);

  SpoolUse use() const;
  const std::vector<Abandoned>& abandoned() const { return abandoned_; }
  const std::string& folder() const { return options_.folder; }
  Disk& disk() { return disk_; }

 private:
  Spool(const SpoolOptions& options, Disk& disk, Losses& losses);
  absl::Status LockFolder();
  void Recover();
  void AbandonOldest();
  Log* Find(const std::string& epoch);
  const Log* Find(const std::string& epoch) const;
  Log& current() { return logs_.back(); }
  uint64_t BytesLocked() const;

  absl::Status MakeRoom(uint64_t bytes);
  void DropOldest();
  void CloseSegment();
  absl::Status OpenSegment(uint64_t first);
  absl::Status StartOver(uint64_t first);
  void Note(std::span<const SharedRecord> records, uint64_t bytes);
  bool ReleaseOne();
  void CountCorrupt(const std::string& epoch, std::span<const Record> records);

  const SpoolOptions options_;
  Disk& disk_;
  Losses& losses_;
  int lock_ = -1;
  std::string epoch_;
  std::vector<Abandoned> abandoned_;

  mutable std::mutex mutex_;
  std::deque<Log> logs_;  // oldest first; the last is that of this process

  // The writer's.
  int segment_ = -1;
  bool folder_made_ = false;
  std::string buffer_;
  // The reader's.
  ReadPosition position_;
};

}  // namespace huatuo
