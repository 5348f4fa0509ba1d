#include "apiserver/query/selector.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace huatuo {
namespace {

constexpr std::string_view kName = "__name__";

bool Letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool Digit(char c) { return c >= '0' && c <= '9'; }
bool Space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

// One text from left to right. Its functions return what is wrong, if anything is.
class SelectorParser {
 public:
  using Problem = std::optional<TextError>;
  using Op = Selector::Op;

  explicit SelectorParser(std::string_view text) : text_(text) {}

  Problem Read(Selector& selector);

 private:
  void SkipSpace();
  bool Take(std::string_view word);
  std::string_view Word(bool colons);
  Problem Expected(std::string_view what) const;
  Problem ReadMatchers(Selector& selector);
  Problem ReadMatcher(Selector& selector);
  static Problem Compile(Selector::Matcher& matcher, size_t at);
  static Problem Check(const Selector& selector);

  const std::string_view text_;
  size_t at_ = 0;
  bool named_ = false;  // the name stands before the braces
};

void SelectorParser::SkipSpace() {
  while (at_ < text_.size() && (Space(text_[at_]) || text_[at_] == '#')) {
    // A comment ends with its line.
    at_ = text_[at_] == '#' ? std::min(text_.find('\n', at_), text_.size()) : at_ + 1;
  }
}

bool SelectorParser::Take(std::string_view word) {
  SkipSpace();
  if (!text_.substr(at_).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

// Of metrics with colons, of labels without.
std::string_view SelectorParser::Word(bool colons) {
  SkipSpace();
  const size_t begin = at_;
  while (at_ < text_.size() && (Letter(text_[at_]) || (colons && text_[at_] == ':') ||
                                (at_ > begin && Digit(text_[at_])))) {
    ++at_;
  }
  return text_.substr(begin, at_ - begin);
}

SelectorParser::Problem SelectorParser::Expected(std::string_view what) const {
  return TextError{at_, fmt::format("expected {}", what)};
}

SelectorParser::Problem SelectorParser::Read(Selector& selector) {
  const std::string_view name = Word(true);
  named_ = !name.empty();
  if (named_) {
    selector.matchers_.push_back({std::string(kName), Op::kEqual, std::string(name), {}});
  }
  const bool braces = Take("{");
  if (braces) {
    if (Problem problem = ReadMatchers(selector)) return problem;
  } else if (!named_) {
    return Expected("the name of a metric, or {");
  }
  SkipSpace();
  if (at_ < text_.size()) return Expected(braces ? "the end" : "{ or the end");
  return Check(selector);
}

SelectorParser::Problem SelectorParser::ReadMatchers(Selector& selector) {
  while (!Take("}")) {
    if (Problem problem = ReadMatcher(selector)) return problem;
    if (Take(",")) continue;
    if (Take("}")) break;
    return Expected(", or }");
  }
  return std::nullopt;
}

SelectorParser::Problem SelectorParser::ReadMatcher(Selector& selector) {
  SkipSpace();
  const size_t begin = at_;
  Selector::Matcher matcher;
  matcher.label = Word(false);
  if (matcher.label.empty()) return Expected("the name of a label, or }");
  if (matcher.label == kName && named_) {
    return TextError{begin, "the name of the metric is given twice"};
  }
  // The longer ones first: = is the beginning of =~.
  static constexpr std::array<std::pair<std::string_view, Op>, 4> kOps{
      {{"=~", Op::kMatch}, {"!~", Op::kNoMatch}, {"!=", Op::kNotEqual}, {"=", Op::kEqual}}};
  const auto* op =
      std::find_if(kOps.begin(), kOps.end(), [this](const auto& item) { return Take(item.first); });
  if (op == kOps.end()) return Expected("=, !=, =~ or !~");
  matcher.op = op->second;
  SkipSpace();
  const size_t value = at_;
  if (Problem problem = ReadQuoted(text_, at_, matcher.value)) return problem;
  if (Problem problem = Compile(matcher, value)) return problem;
  if (selector.matchers_.size() == Selector::kMaxMatchers) {
    return TextError{begin, fmt::format("more than {} matchers", Selector::kMaxMatchers)};
  }
  selector.matchers_.push_back(std::move(matcher));
  return std::nullopt;
}

SelectorParser::Problem SelectorParser::Compile(Selector::Matcher& matcher, size_t at) {
  if (matcher.op != Op::kMatch && matcher.op != Op::kNoMatch) return std::nullopt;
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(1 << 20);
  auto pattern = std::make_shared<RE2>(matcher.value, options);
  if (!pattern->ok()) {
    return TextError{at, fmt::format("regular expression: {}", pattern->error())};
  }
  matcher.pattern = std::move(pattern);
  return std::nullopt;
}

// Else a slip of the pen would ask for everything.
SelectorParser::Problem SelectorParser::Check(const Selector& selector) {
  const auto& all = selector.matchers_;
  if (std::any_of(all.begin(), all.end(), [](const auto& matcher) { return !matcher.Takes(""); })) {
    return std::nullopt;
  }
  return TextError{0, "every matcher takes the empty value: one must not"};
}

bool Selector::Matcher::Takes(std::string_view text) const {
  switch (op) {
    case Op::kEqual:
      return text == value;
    case Op::kNotEqual:
      return text != value;
    case Op::kMatch:
      return RE2::FullMatch(Piece(text), *pattern);
    case Op::kNoMatch:
      return !RE2::FullMatch(Piece(text), *pattern);
  }
  return false;
}

std::variant<Selector, TextError> Selector::Parse(std::string_view text) {
  Selector selector;
  if (auto problem = SelectorParser(text).Read(selector)) return std::move(*problem);
  return selector;
}

bool Selector::Takes(std::string_view label, std::string_view value) const {
  return std::all_of(matchers_.begin(), matchers_.end(), [&](const Matcher& matcher) {
    return matcher.label != label || matcher.Takes(value);
  });
}

bool Selector::TakesLabels(const LabelText& labels) const {
  return std::all_of(matchers_.begin(), matchers_.end(), [&](const Matcher& matcher) {
    return matcher.label == kName || matcher.Takes(labels.Value(matcher.label));
  });
}

}  // namespace huatuo
