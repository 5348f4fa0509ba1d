// The newest entries, numbered and contiguous, in bounded memory. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "collector/ship/losses.h"
#include "collector/ship/record.h"
#include "collector/ship/segment.h"

namespace huatuo {

class MemoryQueue {
 public:
  MemoryQueue(size_t max_bytes, size_t max_entries, Losses& losses)
      : max_bytes_(max_bytes), max_entries_(max_entries), losses_(losses) {}

  // Numbers the record and keeps it. Makes room first among what is safe elsewhere, then by gaps in
  // the place of the oldest that the writer does not hold.
  void Push(Record record);

  // The next ones to write, empty when all are written. They stay until Written.
  std::vector<SharedRecord> TakeUnwritten(ReadLimit limit);
  // The writer is done: entries up to `sequence` are in the spool.
  void Written(uint64_t sequence);
  bool HasUnwritten() const { return !queue_.empty() && queue_.back()->sequence > written_; }

  // Entries up to `sequence` were given to the sender. What is replaced after that counts as lost
  // only when it turns out that the server did not get it.
  void Sent(uint64_t sequence) { sent_ = sequence; }
  void Acked(uint64_t sequence);
  // A new stream, on which the server has all up to `sequence`: nothing after it arrived.
  void Resumed(uint64_t sequence);

  // Records from `sequence` on, empty when that one is not held here.
  std::vector<SharedRecord> Read(uint64_t sequence, ReadLimit limit) const;

  uint64_t next() const { return next_; }
  size_t bytes() const { return bytes_; }
  size_t entries() const { return queue_.size(); }

 private:
  using Queue = std::deque<SharedRecord>;
  bool Full() const { return bytes_ > max_bytes_ || queue_.size() > max_entries_; }
  Queue::const_iterator Holding(uint64_t sequence) const;
  void MakeRoom();
  void Lost(const Record& record);
  void Replace(size_t index, Record record);
  void PopFront();

  const size_t max_bytes_;
  const size_t max_entries_;
  Losses& losses_;
  Queue queue_;
  size_t bytes_ = 0;
  uint64_t next_ = 1;
  uint64_t written_ = 0;  // in the spool
  uint64_t writing_ = 0;  // in the writer's hands; not below written_
  uint64_t sent_ = 0;
  uint64_t acked_ = 0;
  std::vector<uint64_t> undecided_;  // replaced while in flight, of those the server has not acked
};

}  // namespace huatuo
