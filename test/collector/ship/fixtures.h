// What the tests of delivery share.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collector/ship/disk.h"
#include "collector/ship/record.h"
#include "common/status.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/ship-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline v1::Event MakeEvent(const std::string& text, size_t padding = 0) {
  v1::Event event;
  event.set_time_ns(1000);
  event.add_values()->set_text(text + std::string(padding, '.'));
  return event;
}

inline SharedRecord MakeRecord(uint64_t sequence, size_t padding = 0) {
  v1::Entry entry;
  *entry.mutable_event() = MakeEvent(std::to_string(sequence), padding);
  auto time_ns = static_cast<int64_t>(sequence * 10);
  return std::make_shared<const Record>(Record{.first = sequence,
                                               .sequence = sequence,
                                               .from_ns = time_ns,
                                               .to_ns = time_ns,
                                               .body = entry.SerializeAsString()});
}

// "1" for an event, "4-6:spool_full" for a gap, "7:not_observed".
inline std::string Text(const v1::Entry& entry) {
  if (entry.has_gap()) {
    return fmt::format("{}-{}:{}", entry.gap().first_sequence(), entry.sequence(),
                       entry.gap().cause());
  }
  return fmt::format("{}{}", entry.sequence(), entry.has_not_observed() ? ":not_observed" : "");
}

// Runs of events joined: "1..5 6-8:spool_full 9".
inline std::string Text(const std::vector<v1::Entry>& entries) {
  std::string text;
  for (size_t i = 0; i < entries.size(); ++i) {
    size_t last = i;
    while (last + 1 < entries.size() && entries[i].has_event() && entries[last + 1].has_event() &&
           entries[last + 1].sequence() == entries[last].sequence() + 1) {
      ++last;
    }
    text += (text.empty() ? "" : " ") + Text(entries[i]);
    text += last > i ? ".." + Text(entries[last]) : "";
    i = last;
  }
  return text;
}

// Whether entries follow one another from `first` on without a hole.
inline bool Contiguous(const std::vector<v1::Entry>& entries, uint64_t first) {
  for (const v1::Entry& entry : entries) {
    uint64_t from = entry.has_gap() ? entry.gap().first_sequence() : entry.sequence();
    if (from != first || entry.sequence() < from) {
      return false;
    }
    first = entry.sequence() + 1;
  }
  return true;
}

inline uint64_t GapSize(const std::vector<v1::Entry>& entries) {
  uint64_t size = 0;
  for (const v1::Entry& entry : entries) {
    size += entry.has_gap() ? entry.sequence() - entry.gap().first_sequence() + 1 : 0;
  }
  return size;
}

// Polls; false when it did not become true in 20 s.
inline bool Eventually(const std::function<bool()>& condition) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Refuses writes, or holds them, for as long as it is told.
class BadDisk : public Disk {
 public:
  absl::StatusOr<size_t> Write(int descriptor, std::string_view bytes) override {
    std::unique_lock lock(mutex_);
    ++writes_;
    changed_.wait(lock, [this] { return !stuck_; });
    if (full_) {
      // As a disk does that has room for a part.
      absl::StatusOr<size_t> part = Disk::Write(descriptor, bytes.substr(0, bytes.size() / 2));
      return bytes.size() < 2 ? absl::StatusOr<size_t>(ErrnoStatus(ENOSPC, "write")) : part;
    }
    return Disk::Write(descriptor, bytes);
  }
  void SetStuck(bool stuck) {
    std::lock_guard lock(mutex_);
    stuck_ = stuck;
    changed_.notify_all();
  }
  void SetFull(bool full) {
    std::lock_guard lock(mutex_);
    full_ = full;
  }
  int writes() {
    std::lock_guard lock(mutex_);
    return writes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stuck_ = false;
  bool full_ = false;
  int writes_ = 0;
};

}  // namespace huatuo
