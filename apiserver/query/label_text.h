// The rendered labels of a series, read again: `node="a",region="b"`.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace huatuo {

// Kept for many series in turn, so that its memory is. Not thread-safe.
class LabelText {
 public:
  // `text` as AppendEscaped and its callers write it, which must outlive what is asked until the
  // next call.
  void Read(std::string_view text);

  // Empty when there is none of this name, which is the same to PromQL.
  std::string_view Value(std::string_view name) const;
  bool Has(std::string_view name) const;

 private:
  std::vector<std::pair<std::string_view, std::string_view>> labels_;
  std::vector<std::string> unescaped_;  // values that had to be
};

}  // namespace huatuo
