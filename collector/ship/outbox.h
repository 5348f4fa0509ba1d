// Where everything that must be delivered goes in, is numbered, and comes out for the sender.
//
// An entry waits in a bounded memory queue. The sender takes it from there at once, while a thread
// of the outbox appends it to the spool; neither waits for the other. What no longer fits in memory
// is read back from the spool. With a disk that is full, broken or stuck the queue is all there is:
// then its oldest entries are replaced by a gap record "memory_full" and counted. The write is
// tried again with back-off until the disk recovers.
//
// Push, Count and OnPush are thread-safe and never block on disk or network. Begin, Resume, Read,
// Ack, Finished and InFlight belong to one sender thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/ship/spool.h"
#include "common/clock.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct OutboxOptions {
  SpoolOptions spool{};
  // Larger entries are replaced by a gap record ("too_large"): a batch of them must stay below what
  // the server accepts as one message.
  size_t max_entry_bytes = 1 << 20;
  // Keeps a heartbeat and pushes NotObserved records: for the one outbox that takes events.
  bool tells_not_observed = true;
  size_t memory_bytes = 4 << 20;
  size_t memory_entries = 16384;
  std::string boot_id{};  // of this boot of the machine
  std::chrono::milliseconds heartbeat{5000};
  std::chrono::milliseconds retry_min{100};
  std::chrono::milliseconds retry_max{5000};
};

struct OutboxCounts {
  uint64_t pushed = 0;  // entries numbered in this process
  uint64_t acked = 0;   // in this process, of any epoch
  uint64_t memory_entries = 0;
  uint64_t memory_bytes = 0;
  uint64_t spool_errors = 0;  // attempts to write that the disk refused
  bool spool_failing = false;
  SpoolUse spool;
};

class Outbox {
 public:
  // Opens the spool and pushes the NotObserved of the time since the last process, if so asked.
  // `clock` and `disk` must outlive the process's use of the disk. FailedPrecondition: the folder
  // is in use.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(const OutboxOptions& options,
                                                      const Clock& clock,
                                                      Disk& disk = Disk::Real());
  // Writes what is left, waiting at most a second for the disk.
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Gives the event its tracer_id when it has none.
  void Push(v1::Event event);
  void Push(v1::NotObserved not_observed);
  // `body` is an entry of the outbox's kind, serialized without its numbers, about the time from
  // `from_ns` to `to_ns`.
  void Push(std::string body, int64_t from_ns, int64_t to_ns);

  // `wake` is called after each Push, from its thread; an empty function ends that.
  void OnPush(std::function<void()> wake);

  struct Position {
    std::string epoch;
    uint64_t next_sequence = 0;
  };
  // A stream begins: what its Hello says.
  Position Begin();

  // What the server has of this epoch. Reading goes on after it. InvalidArgument when it claims
  // entries that were never sent.
  absl::Status Resume(uint64_t high_water);

  // Hands the next entries, in order and without a hole, to `take`, with what EntryOf needs as
  // their first sequence; returns how many.
  size_t Read(ReadLimit limit, const std::function<void(const Record&, uint64_t first)>& take);
  // The same, of an outbox of events, into `batch`.
  size_t Read(ReadLimit limit, v1::EntryBatch* batch);

  // InvalidArgument when `sequence` was not sent on this stream.
  absl::Status Ack(uint64_t sequence);

  uint64_t InFlight() const;  // sequences read and not acked

  // All of an earlier process's epoch is acked: a new stream can begin with the next epoch.
  bool Finished() const;

  // Everything that was pushed, by this or an earlier process, is acked.
  bool Drained() const;

  OutboxCounts Count() const;
  const Losses& losses() const;
  uint64_t spool_limit_bytes() const;

 private:
  struct State;
  explicit Outbox(std::shared_ptr<State> state);
  void TellNotObserved();

  // Shared with the writer thread, which outlives the outbox when the disk is stuck.
  std::shared_ptr<State> state_;
  std::thread writer_;
};

}  // namespace huatuo
