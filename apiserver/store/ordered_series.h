// What a node has of one family, in order of the labels.
//
// A scrape goes through all of it and is mostly waiting for memory, so the series are reached
// through one array instead of from one to the next: several can be fetched at once. They stay
// where they are as long as they exist.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace huatuo {

// `Series` has a text `labels`, which changes only while the series is taken out.
template <typename Series>
class OrderedSeries {
 public:
  using Owner = std::unique_ptr<Series>;

  bool empty() const { return all_.empty(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

  // Null when there is none.
  Series* Find(std::string_view labels) const {
    const auto at = Place(labels);
    return at != all_.end() && (*at)->labels == labels ? at->get() : nullptr;
  }

  // There must be none of the same labels.
  Series* Insert(Owner series) {
    const auto at = Place(series->labels);
    return all_.insert(at, std::move(series))->get();
  }

  // `series` must be one of these.
  Owner TakeOut(const Series& series) {
    const auto at = all_.begin() + (Place(series.labels) - all_.begin());
    Owner owner = std::move(*at);
    all_.erase(at);
    return owner;
  }

  template <typename Condition>
  void EraseIf(Condition condition) {
    std::erase_if(all_, [&](const Owner& series) { return condition(std::as_const(*series)); });
  }

  // Calls `visit` for each in order.
  template <typename Visitor>
  void Visit(Visitor visit) const {
    constexpr size_t kFar = 8;   // when the series is fetched
    constexpr size_t kNear = 4;  // when it is there, and its text is fetched
    const size_t size = all_.size();
    for (size_t i = 0; i < std::min(kFar, size); ++i) Fetch(all_[i].get(), sizeof(Series));
    for (size_t i = 0; i < std::min(kNear, size); ++i) FetchText(i);
    for (size_t i = 0; i < size; ++i) {
      if (i + kFar < size) Fetch(all_[i + kFar].get(), sizeof(Series));
      if (i + kNear < size) FetchText(i + kNear);
      visit(std::as_const(*all_[i]));
    }
  }

 private:
  static constexpr size_t kLine = 64;

  static void Fetch(const void* begin, size_t size) {
    for (size_t i = 0; i < size; i += kLine) {
      __builtin_prefetch(static_cast<const char*>(begin) + i);
    }
  }
  void FetchText(size_t i) const { Fetch(all_[i]->labels.data(), all_[i]->labels.size()); }

  typename std::vector<Owner>::const_iterator Place(std::string_view labels) const {
    return std::lower_bound(
        all_.begin(), all_.end(), labels,
        [](const Owner& series, std::string_view text) { return series->labels < text; });
  }

  std::vector<Owner> all_;
};

}  // namespace huatuo
