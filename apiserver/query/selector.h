// PromQL's instant vector selectors: `name{label="value",other=~"regular expression"}`.
//
// As Prometheus: regular expressions are RE2 and match whole values, a label that is absent is
// empty, and at least one matcher must not match the empty value.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "apiserver/query/label_text.h"
#include "apiserver/query/quoted.h"

namespace re2 {
class RE2;
}

namespace huatuo {

class Selector {
 public:
  // Bounds the memory of compiled expressions.
  static constexpr size_t kMaxMatchers = 16;

  static std::variant<Selector, TextError> Parse(std::string_view text);

  // Whether its matchers of __name__ take this name of a sample.
  bool TakesName(std::string_view name) const { return Takes("__name__", name); }
  // Whether its matchers of this label take this value.
  bool Takes(std::string_view label, std::string_view value) const;
  // Whether all other matchers take a series with these labels.
  bool TakesLabels(const LabelText& labels) const;

 private:
  friend class SelectorParser;
  enum class Op { kEqual, kNotEqual, kMatch, kNoMatch };
  struct Matcher {
    std::string label;
    Op op = Op::kEqual;
    std::string value;
    std::shared_ptr<const re2::RE2> pattern;  // of kMatch and kNoMatch

    bool Takes(std::string_view text) const;
  };
  std::vector<Matcher> matchers_;
};

}  // namespace huatuo
