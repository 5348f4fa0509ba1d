#include "collector/ship/outbox.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "collector/ship/heartbeat.h"
#include "collector/ship/memory_queue.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

using Steady = std::chrono::steady_clock;

// What the writer takes at once: it stays in memory until the disk has it, and bounds how long the
// writer is away from its other work.
constexpr ReadLimit kWrite = {.entries = 128, .bytes = 256 << 10};

}  // namespace

struct Outbox::State {
  State(const OutboxOptions& given, const Clock& given_clock)
      : options(given),
        clock(given_clock),
        queue(given.memory_bytes, given.memory_entries, losses) {}

  void Admit(std::string body, int64_t from_ns, int64_t to_ns);
  void Write();
  void WriteSome(std::unique_lock<std::mutex>& lock);
  void Finish(const absl::Status& status, uint64_t written);
  void Probe(std::unique_lock<std::mutex>& lock);
  absl::Status TryDisk();
  void Beat();
  bool MayWrite() const { return queue.HasUnwritten() && (stopping || Steady::now() >= retry_at); }
  std::vector<SharedRecord> ReadMemory(uint64_t sequence, ReadLimit limit);

  const OutboxOptions options;
  const Clock& clock;
  Losses losses;
  std::unique_ptr<Spool> spool;

  std::mutex wake_mutex;
  std::function<void()> wake;

  std::mutex mutex;
  std::condition_variable changed;
  MemoryQueue queue;
  uint64_t acked = 0;
  uint64_t spool_errors = 0;
  bool failing = false;
  bool stopping = false;
  bool writer_done = false;
  Steady::time_point retry_at{};
  std::chrono::milliseconds retry{};
  Steady::time_point beat_at{};  // the writer's

  // The sender's.
  std::string epoch;
  uint64_t cursor = 0;  // the last sequence that was read
  uint64_t stored = 0;  // the last sequence that the server acked on this stream
  std::optional<Record> owed;
  uint64_t server_lost_counted = 0;
};

void Outbox::State::Admit(std::string body, int64_t from_ns, int64_t to_ns) {
  Record record{.from_ns = from_ns, .to_ns = to_ns, .body = std::move(body)};
  if (record.body.size() > std::min(options.max_entry_bytes, kMaxBodyBytes)) {
    losses.Add(Losses::kTooLarge, 1);
    record = MakeGap(0, 0, from_ns, to_ns, Losses::kNames[Losses::kTooLarge]);
  }
  {
    std::lock_guard lock(mutex);
    queue.Push(std::move(record));
  }
  changed.notify_all();
  std::lock_guard lock(wake_mutex);
  if (wake) {
    wake();
  }
}

// ---- the writer

void Outbox::State::Write() {
  NameThread("spool");
  std::unique_lock lock(mutex);
  while (true) {
    auto until = std::min(beat_at, failing || queue.HasUnwritten() ? retry_at : beat_at);
    changed.wait_until(lock, until, [this] { return stopping || MayWrite(); });
    if (MayWrite()) {
      WriteSome(lock);
    } else if (failing && Steady::now() >= retry_at) {
      Probe(lock);
    }
    bool gives_up = failing || !queue.HasUnwritten();
    if (stopping && gives_up) {
      break;
    }
    lock.unlock();
    Beat();
    lock.lock();
  }
  lock.unlock();
  beat_at = {};
  Beat();
  spool->Close();
  lock.lock();
  writer_done = true;
  changed.notify_all();
}

void Outbox::State::WriteSome(std::unique_lock<std::mutex>& lock) {
  std::vector<SharedRecord> records = queue.TakeUnwritten(kWrite);
  lock.unlock();
  size_t written = 0;
  absl::Status status = spool->Append(records, &written);
  lock.lock();
  Finish(status, written == 0 ? 0 : records[written - 1]->sequence);
}

void Outbox::State::Finish(const absl::Status& status, uint64_t written) {
  queue.Written(written);
  if (status.ok()) {
    if (failing) {
      spdlog::info("spool {}: writes work again", spool->folder());
    }
    failing = false;
    retry = {};
    retry_at = {};
    return;
  }
  if (!failing) {
    spdlog::error("spool {}: {}; entries stay in memory", spool->folder(), Message(status));
  }
  failing = true;
  ++spool_errors;
  retry = std::clamp(retry * 2, options.retry_min, options.retry_max);
  retry_at = Steady::now() + retry;
}

// Without an entry to write, nothing else would tell that the disk has recovered.
void Outbox::State::Probe(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const absl::Status status = TryDisk();
  lock.lock();
  Finish(status, 0);
}

// The heartbeat is written in place and succeeds on a full disk; this takes a new block.
absl::Status Outbox::State::TryDisk() {
  const std::string path = spool->folder() + "/probe";
  const std::string block(4096, '\0');
  Disk& disk = spool->disk();
  ASSIGN_OR_RETURN(const int descriptor, disk.OpenAppend(path));
  const absl::StatusOr<size_t> taken = disk.Write(descriptor, block);
  close(descriptor);
  RETURN_IF_ERROR(disk.Remove(path));
  RETURN_IF_ERROR(taken.status());
  return *taken == block.size() ? absl::OkStatus() : ErrnoStatus(ENOSPC, "write");
}

void Outbox::State::Beat() {
  if (Steady::now() < beat_at) {
    return;
  }
  beat_at = Steady::now() + options.heartbeat;
  if (options.tells_not_observed) {
    // A heartbeat that cannot be written makes the time that was not observed look longer: the
    // cautious side.
    WriteHeartbeat(spool->folder() + "/heartbeat", clock, options.boot_id, spool->disk())
        .IgnoreError();
  }
  spool->Release();
}

// ---- life

Outbox::Outbox(std::shared_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(const OutboxOptions& options,
                                                     const Clock& clock, Disk& disk) {
  auto state = std::make_shared<State>(options, clock);
  ASSIGN_OR_RETURN(state->spool, Spool::Open(options.spool, disk, state->losses));
  auto outbox = std::unique_ptr<Outbox>(new Outbox(state));
  if (options.tells_not_observed) {
    outbox->TellNotObserved();
  }
  outbox->writer_ = std::thread([state] { state->Write(); });
  return outbox;
}

void Outbox::TellNotObserved() {
  const OutboxOptions& options = state_->options;
  if (auto stopped =
          SinceHeartbeat(options.spool.folder + "/heartbeat", state_->clock, options.boot_id)) {
    Push(*std::move(stopped));
  }
  for (const Abandoned& abandoned : state_->spool->abandoned()) {
    v1::NotObserved record;
    record.set_from_ns(abandoned.from_ns);
    record.set_to_ns(abandoned.to_ns);
    record.set_cause(std::string(Losses::kNames[Losses::kSpoolFull]));
    Push(std::move(record));
  }
}

Outbox::~Outbox() {
  OnPush({});
  if (!writer_.joinable()) {
    return;
  }
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->changed.notify_all();
  bool done = state_->changed.wait_for(lock, std::chrono::seconds(1),
                                       [this] { return state_->writer_done; });
  lock.unlock();
  if (done) {
    writer_.join();
  } else {
    spdlog::error("spool {}: the disk does not answer", state_->spool->folder());
    writer_.detach();
  }
}

// ---- in

void Outbox::Push(v1::Event event) {
  if (event.tracer_id().empty()) {
    event.set_tracer_id(NewUuid7(state_->clock.WallNs()));
  }
  int64_t time_ns = event.time_ns();
  v1::Entry entry;
  *entry.mutable_event() = std::move(event);
  state_->Admit(entry.SerializeAsString(), time_ns, time_ns);
}

void Outbox::Push(v1::NotObserved not_observed) {
  int64_t from_ns = not_observed.from_ns();
  int64_t to_ns = not_observed.to_ns();
  v1::Entry entry;
  *entry.mutable_not_observed() = std::move(not_observed);
  state_->Admit(entry.SerializeAsString(), from_ns, to_ns);
}

void Outbox::Push(std::string body, int64_t from_ns, int64_t to_ns) {
  state_->Admit(std::move(body), from_ns, to_ns);
}

void Outbox::OnPush(std::function<void()> wake) {
  std::lock_guard lock(state_->wake_mutex);
  state_->wake = std::move(wake);
}

// ---- out

Outbox::Position Outbox::Begin() {
  State& s = *state_;
  s.epoch = s.spool->Oldest();
  s.cursor = s.stored = s.spool->Acked(s.epoch);
  s.owed.reset();
  return {.epoch = s.epoch, .next_sequence = s.cursor + 1};
}

absl::Status Outbox::Resume(uint64_t high_water) {
  State& s = *state_;
  uint64_t acked = s.cursor;
  if (s.epoch == s.spool->epoch()) {
    std::lock_guard lock(s.mutex);
    if (high_water >= s.queue.next()) {
      return InvalidArgument(
          fmt::format("welcome: high_water {} of {} entries", high_water, s.queue.next() - 1));
    }
    s.queue.Resumed(high_water);
  }
  s.cursor = s.stored = high_water;
  if (high_water >= acked) {
    return high_water > acked ? Ack(high_water) : absl::OkStatus();
  }
  // The server's store forgot what it had acked, and so did the spool.
  s.owed = MakeGap(high_water + 1, acked, 0, 0, Losses::kNames[Losses::kServerLost]);
  if (acked > s.server_lost_counted) {
    s.losses.Add(Losses::kServerLost, acked - std::max(high_water, s.server_lost_counted));
    s.server_lost_counted = acked;
  }
  return absl::OkStatus();
}

std::vector<SharedRecord> Outbox::State::ReadMemory(uint64_t sequence, ReadLimit limit) {
  if (epoch != spool->epoch()) {
    return {};
  }
  std::lock_guard lock(mutex);
  std::vector<SharedRecord> records = queue.Read(sequence, limit);
  if (!records.empty()) {
    queue.Sent(records.back()->sequence);
  }
  return records;
}

size_t Outbox::Read(ReadLimit limit,
                    const std::function<void(const Record&, uint64_t first)>& take) {
  State& s = *state_;
  auto append = [&](const Record& record) {
    take(record, s.cursor + 1);
    s.cursor = record.sequence;
  };
  if (s.owed) {
    append(*s.owed);
    s.owed.reset();
    return 1;
  }
  std::vector<SharedRecord> memory = s.ReadMemory(s.cursor + 1, limit);
  for (const SharedRecord& record : memory) {
    append(*record);
  }
  if (!memory.empty()) {
    return memory.size();
  }
  std::vector<Record> spooled = s.spool->Read(s.epoch, s.cursor + 1, limit);
  for (const Record& record : spooled) {
    append(record);
  }
  return spooled.size();
}

size_t Outbox::Read(ReadLimit limit, v1::EntryBatch* batch) {
  return Read(limit, [batch](const Record& record, uint64_t first) {
    *batch->add_entries() = EntryOf(record, first);
  });
}

absl::Status Outbox::Ack(uint64_t sequence) {
  State& s = *state_;
  if (sequence > s.cursor) {
    return InvalidArgument(fmt::format("ack of {}, sent up to {}", sequence, s.cursor));
  }
  s.stored = std::max(s.stored, sequence);
  uint64_t before = s.spool->Acked(s.epoch);
  s.spool->Ack(s.epoch, sequence);
  std::lock_guard lock(s.mutex);
  s.acked += sequence > before ? sequence - before : 0;
  if (s.epoch == s.spool->epoch()) {
    s.queue.Acked(sequence);
  }
  return absl::OkStatus();
}

uint64_t Outbox::InFlight() const { return state_->cursor - state_->stored; }

bool Outbox::Finished() const {
  const State& s = *state_;
  return !s.epoch.empty() && s.epoch != s.spool->epoch() && s.spool->Done(s.epoch);
}

bool Outbox::Drained() const {
  State& s = *state_;
  if (s.spool->Oldest() != s.spool->epoch()) {
    return false;
  }
  std::lock_guard lock(s.mutex);
  return s.spool->Acked(s.spool->epoch()) + 1 == s.queue.next();
}

OutboxCounts Outbox::Count() const {
  State& s = *state_;
  SpoolUse use = s.spool->use();
  std::lock_guard lock(s.mutex);
  return {.pushed = s.queue.next() - 1,
          .acked = s.acked,
          .memory_entries = s.queue.entries(),
          .memory_bytes = s.queue.bytes(),
          .spool_errors = s.spool_errors,
          .spool_failing = s.failing,
          .spool = use};
}

const Losses& Outbox::losses() const { return state_->losses; }

uint64_t Outbox::spool_limit_bytes() const { return state_->options.spool.limit_bytes; }

}  // namespace huatuo
