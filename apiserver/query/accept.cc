#include "apiserver/query/accept.h"

#include <charconv>
#include <optional>

namespace huatuo {
namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view CutUntil(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return Trim(part);
}

std::optional<double> Quality(std::string_view text) {
  double q = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), q);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(q >= 0 && q <= 1)) return std::nullopt;
  return q;
}

std::optional<AcceptedItem> ParseItem(std::string_view text) {
  AcceptedItem item{.name = Lower(CutUntil(text, ';')), .q = 1, .parameters = {}};
  while (!text.empty()) {
    std::string_view value = CutUntil(text, ';');
    const std::string name = Lower(CutUntil(value, '='));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    if (name != "q") {
      item.parameters.emplace_back(name, value);
      continue;
    }
    const std::optional<double> q = Quality(value);
    if (!q) return std::nullopt;
    item.q = *q;
  }
  return item;
}

}  // namespace

std::string_view AcceptedItem::Parameter(std::string_view wanted) const {
  for (const auto& [key, value] : parameters) {
    if (key == wanted) return value;
  }
  return {};
}

std::vector<AcceptedItem> ParseAccept(std::string_view header) {
  std::vector<AcceptedItem> items;
  while (!header.empty()) {
    const std::string_view text = CutUntil(header, ',');
    if (text.empty()) continue;
    if (std::optional<AcceptedItem> item = ParseItem(text)) items.push_back(std::move(*item));
  }
  return items;
}

bool AcceptsGzip(std::string_view accept_encoding) {
  bool any = false;
  for (const AcceptedItem& item : ParseAccept(accept_encoding)) {
    if (item.name == "gzip") return item.q > 0;
    if (item.name == "*") any = item.q > 0;
  }
  return any;
}

}  // namespace huatuo
