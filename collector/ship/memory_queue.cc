#include "collector/ship/memory_queue.h"

#include <algorithm>
#include <utility>

namespace huatuo {
namespace {

// With what the allocator and the queue need beside the body.
size_t Footprint(const Record& record) { return record.body.size() + sizeof(Record) + 64; }

}  // namespace

MemoryQueue::Queue::const_iterator MemoryQueue::Holding(uint64_t sequence) const {
  return std::partition_point(queue_.begin(), queue_.end(), [&](const SharedRecord& record) {
    return record->sequence < sequence;
  });
}

void MemoryQueue::Push(Record record) {
  record.first = record.sequence = next_++;
  bytes_ += Footprint(record);
  queue_.push_back(std::make_shared<const Record>(std::move(record)));
  MakeRoom();
}

void MemoryQueue::PopFront() {
  bytes_ -= Footprint(*queue_.front());
  queue_.pop_front();
}

void MemoryQueue::Replace(size_t index, Record record) {
  bytes_ += Footprint(record);
  bytes_ -= Footprint(*queue_[index]);
  queue_[index] = std::make_shared<const Record>(std::move(record));
}

void MemoryQueue::MakeRoom() {
  while (Full() && queue_.front()->sequence <= std::max(written_, acked_)) {
    PopFront();
  }
  while (Full()) {
    size_t index = Holding(writing_ + 1) - queue_.begin();
    if (index + 1 >= queue_.size()) {
      return;
    }
    const Record& oldest = *queue_[index];
    if (!oldest.gap) {
      Lost(oldest);
      Replace(index, MakeGap(oldest.first, oldest.sequence, oldest.from_ns, oldest.to_ns,
                             Losses::kNames[Losses::kMemoryFull]));
      continue;
    }
    const Record& victim = *queue_[index + 1];
    if (index + 2 >= queue_.size()) {
      return;
    }
    if (!victim.gap) {
      Lost(victim);
    }
    Record merged =
        MakeGap(oldest.first, victim.sequence, std::min(oldest.from_ns, victim.from_ns),
                std::max(oldest.to_ns, victim.to_ns), Losses::kNames[Losses::kMemoryFull]);
    bytes_ -= Footprint(victim);
    queue_.erase(queue_.begin() + static_cast<ptrdiff_t>(index) + 1);
    Replace(index, std::move(merged));
  }
}

void MemoryQueue::Lost(const Record& record) {
  if (record.sequence <= sent_) {
    undecided_.push_back(record.sequence);
  } else {
    losses_.Add(Losses::kMemoryFull, 1);
  }
}

std::vector<SharedRecord> MemoryQueue::TakeUnwritten(ReadLimit limit) {
  std::vector<SharedRecord> records =
      Read(Holding(written_ + 1) == queue_.end() ? next_ : (*Holding(written_ + 1))->first, limit);
  if (!records.empty()) {
    writing_ = records.back()->sequence;
  }
  return records;
}

void MemoryQueue::Written(uint64_t sequence) {
  written_ = std::max(written_, sequence);
  writing_ = written_;
}

void MemoryQueue::Acked(uint64_t sequence) {
  acked_ = std::max(acked_, sequence);
  while (!queue_.empty() && queue_.front()->sequence <= acked_) {
    PopFront();
  }
  std::erase_if(undecided_, [this](uint64_t replaced) { return replaced <= acked_; });
}

void MemoryQueue::Resumed(uint64_t sequence) {
  Acked(sequence);
  losses_.Add(Losses::kMemoryFull, undecided_.size());
  undecided_.clear();
  sent_ = sequence;
}

std::vector<SharedRecord> MemoryQueue::Read(uint64_t sequence, ReadLimit limit) const {
  std::vector<SharedRecord> records;
  size_t bytes = 0;
  if (queue_.empty() || queue_.front()->first > sequence) {
    return records;
  }
  for (auto it = Holding(sequence);
       it != queue_.end() && records.size() < limit.entries && bytes < limit.bytes; ++it) {
    bytes += (*it)->body.size();
    records.push_back(*it);
  }
  return records;
}

}  // namespace huatuo
