#include "apiserver/query/label_text.h"

#include <algorithm>

namespace huatuo {
namespace {

std::string Unescaped(std::string_view value) {
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && i + 1 < value.size()) {
      ++i;
      text += value[i] == 'n' ? '\n' : value[i];
    } else {
      text += value[i];
    }
  }
  return text;
}

// Where the quote is that ends the value which begins at `begin`.
size_t EndOfValue(std::string_view text, size_t begin) {
  size_t end = begin;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return std::min(end, text.size());
}

}  // namespace

void LabelText::Read(std::string_view text) {
  labels_.clear();
  unescaped_.clear();
  // Views into its strings must stay where they are.
  unescaped_.reserve(static_cast<size_t>(std::count(text.begin(), text.end(), '=')));
  size_t at = 0;
  while (at < text.size()) {
    const size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) return;
    const std::string_view name = text.substr(at, equals - at);
    const size_t begin = equals + 2;
    const size_t end = EndOfValue(text, begin);
    std::string_view value = begin < end ? text.substr(begin, end - begin) : std::string_view();
    if (value.find('\\') != std::string_view::npos) {
      value = unescaped_.emplace_back(Unescaped(value));
    }
    labels_.emplace_back(name, value);
    at = end + 2;  // the quote and the comma
  }
}

std::string_view LabelText::Value(std::string_view name) const {
  for (const auto& [key, value] : labels_) {
    if (key == name) return value;
  }
  return {};
}

bool LabelText::Has(std::string_view name) const {
  return std::any_of(labels_.begin(), labels_.end(),
                     [name](const auto& label) { return label.first == name; });
}

}  // namespace huatuo
