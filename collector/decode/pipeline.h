// From a record to the event that is shipped: fold, decode, complete, account.
//
// Everything here runs on the event thread; only counts() and losses() are thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "collector/decode/completer.h"
#include "collector/decode/decoder.h"
#include "collector/decode/repeats.h"
#include "collector/event_counts.h"
#include "collector/instance.h"

namespace huatuo {

class Pipeline : public EventSink {
 public:
  struct Hooks {
    // Takes the finished event.
    std::function<void(v1::Event)> ship;
    // What this instance has lost so far, by rate limit, full ring and folding apart.
    std::function<uint64_t(uint16_t unit, uint32_t instance)> lost;
    // The task of an instance; empty for `always`; nullopt when it is closed: its late records go
    // nowhere and are counted.
    std::function<std::optional<std::string>(uint32_t instance)> task;
    // An event of this instance was handed over, or so many observations of it were lost.
    std::function<void(uint32_t instance)> shipped;
    std::function<void(uint32_t instance, uint64_t count)> dropped;
    // Sees each raw record before anything else does: the recording.
    std::function<void(std::span<const std::byte>)> tap_record;
    // Sees each event that is recorded as such: of a record that user space made, that has a stack,
    // or that was completed.
    std::function<void(const v1::Event&)> tap_event;
  };
  struct Counts {
    uint64_t events = 0;
    uint64_t malformed = 0;  // records that no table fits
    uint64_t folded = 0;     // events that became part of another one
    uint64_t closed = 0;     // records of an instance that had been closed
    uint64_t late = 0;       // events that went incomplete
  };

  // `repeat_window`: as of Repeats.
  Pipeline(std::span<const Unit* const> units, const Decoder& decoder, Completer& completer,
           EventCounts& event_counts, std::chrono::milliseconds repeat_window, Hooks hooks);

  // A record of the ring or of a recording.
  void OnRecord(std::span<const std::byte> bytes);
  // An event of a recording.
  void OnEvent(v1::Event event);

  void Emit(const OpenRequest& from, size_t event, std::shared_ptr<const void> record) override;
  void Lost(const OpenRequest& from, std::string_view cause, uint64_t count) override;

  // Lets go what is due. Returns how long until something is due again, at most one second.
  std::chrono::milliseconds Turn();
  // Lets go everything, whatever its deadline.
  void Flush();

  // Whether something of this instance waits here.
  bool Holds(uint32_t instance) const;

  Counts counts() const;
  // Of Lost(), by (unit, cause).
  std::map<std::pair<uint16_t, std::string>, uint64_t> losses() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Folding {
    const EventType* type;
    std::vector<std::byte> record;
    Time due;
  };
  struct Waiting {
    v1::Event event;
    uint32_t instance;
    std::shared_ptr<PendingCompletion> completion;
  };

  bool FoldInto(const EventType& type, std::span<const std::byte> bytes);
  void Accept(const EventType& type, std::span<const std::byte> bytes);
  void Count(const v1::Event& event, uint32_t instance);
  void CountFolded(const EventType& type, std::span<const std::byte> bytes);
  // Folds what repeats itself.
  void Pass(v1::Event event, uint32_t instance);
  void Ship(v1::Event event, uint32_t instance);
  void Release(Time now);

  std::span<const Unit* const> units_;
  const Decoder& decoder_;
  Completer& completer_;
  EventCounts& event_counts_;
  const Hooks hooks_;
  Repeats repeats_;
  std::list<Folding> folding_;
  std::list<Waiting> waiting_;
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> lost_at_last_;  // by (unit, instance)
  mutable std::mutex losses_mutex_;
  std::map<std::pair<uint16_t, std::string>, uint64_t> losses_;
  std::atomic<uint64_t> events_ = 0, malformed_ = 0, folded_ = 0, closed_ = 0, late_ = 0;
};

}  // namespace huatuo
