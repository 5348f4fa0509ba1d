// The metric series of this node, and what of them a stream has not been told.
//
// A *round*: each unit whose turn it is Sets all its series, then EndRound commits. A series that
// its unit did not write in the round ends; a unit that wrote nothing keeps its series, because it
// has an interval of its own, unless it said Ran. Rounds that nobody takes coalesce: what was
// announced or changed meanwhile comes with the next Take.
//
// Thread-safe. Setting an unchanged series allocates nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// What names a series; `unit` and `metric` are indexes into the catalog.
struct SeriesKey {
  uint32_t unit = 0;
  uint32_t metric = 0;
  std::span<const std::string_view> label_values{};  // as many as the metric has labels
  // Null: of the host. Told apart by its id; the rest is as it was when the series began.
  const v1::Container* container = nullptr;
};

struct HistogramView {
  std::span<const uint64_t> cumulative{};
  double sum = 0;
  int64_t start_time_ns = 0;
};

struct SeriesCounts {
  uint64_t series = 0;
  uint64_t refused = 0;  // writes to series beyond the limit
};

class SeriesWriter {
 public:
  explicit SeriesWriter(size_t max_series = 20000);
  ~SeriesWriter();

  // What came of it. With kOnlyKnown a series that does not exist does not begin.
  enum class Outcome { kKept, kBegan, kUnknown, kFull };
  enum class Beginning { kAny, kOnlyKnown };
  Outcome Set(const SeriesKey& key, double value, Beginning beginning = Beginning::kAny);
  Outcome SetHistogram(const SeriesKey& key, const HistogramView& value,
                       Beginning beginning = Beginning::kAny);

  // The unit had its turn in this round, even if it writes nothing.
  void Ran(uint32_t unit);
  // Ends one series, or all of a unit, with this round.
  void End(const SeriesKey& key);
  void EndUnit(uint32_t unit);

  void EndRound(int64_t time_ns);

  // `wake` is called after each EndRound, from its thread; an empty function ends that.
  void OnRound(std::function<void()> wake);

  // The rounds that ended so far.
  uint64_t round() const;

  // A new stream knows nothing: everything is announced again, with new ids.
  void NewStream();

  // What the stream was not told of the newest round, in messages below 512 KiB; the last one is
  // `complete`. Empty when no round ended since the last Take of this stream.
  std::vector<v1::MetricBatch> Take();

  SeriesCounts Count() const;

 private:
  struct Series;
  struct Index;
  class Splitter;
  Series* Touch(const SeriesKey& key, Beginning beginning, Outcome& outcome);
  void Turn(uint32_t unit);
  void Commit(Series& series);
  void Drop(uint32_t slot);
  bool HadTurn(uint32_t unit) const { return unit < turns_.size() && turns_[unit] != 0; }
  void TakeOne(Series& series, Splitter& out);

  const size_t max_series_;
  mutable std::mutex mutex_;
  std::vector<Series> series_;  // by slot
  std::vector<uint32_t> free_;
  std::unique_ptr<Index> index_;
  std::vector<char> turns_;     // by unit: wrote in this round
  std::vector<uint32_t> ends_;  // announced ids whose end was not told
  uint64_t round_ = 0;
  uint64_t taken_round_ = 0;
  int64_t time_ns_ = 0;
  uint32_t next_id_ = 1;
  uint64_t refused_ = 0;

  std::mutex wake_mutex_;
  std::function<void()> wake_;
};

}  // namespace huatuo
