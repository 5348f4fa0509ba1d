#include "collector/procfs/key_index.h"

#include "collector/procfs/scan.h"

namespace huatuo {
namespace {

// More lines than any such file has; what comes behind them is looked up each time.
constexpr size_t kMaxSeen = 1024;

}  // namespace

KeyIndex::KeyIndex(std::span<const KeyRow> rows) {
  for (size_t i = 0; i < rows.size(); ++i) Add(std::string(rows[i].key), i);
}

size_t KeyIndex::Find(size_t line, std::string_view key) {
  if (line < seen_.size() && seen_[line].key == key) return seen_[line].row;
  // std::string_view is not Abseil's, so that only a string can be looked for.
  std::string name(key);
  const auto found = rows_.find(name);
  const size_t row = found == rows_.end() ? kNone : found->second;
  if (line < kMaxSeen) {
    if (line >= seen_.size()) seen_.resize(line + 1);
    seen_[line] = {std::move(name), row};
  }
  return row;
}

bool KeyIndex::ParseLine(size_t number, std::string_view line) {
  std::string_view key = Word(line);
  if (key.ends_with(':')) key.remove_suffix(1);
  const size_t row = Find(number, key);
  if (row == kNone) return true;
  const std::optional<double> value = ParseCount(Word(line));
  if (!value) return false;
  readings_.push_back({row, Word(line) == "kB" ? *value * 1024 : *value});
  return true;
}

std::optional<std::span<const KeyReading>> KeyIndex::Parse(std::string_view text) {
  readings_.clear();
  if (text.empty()) return std::nullopt;
  for (size_t number = 0; !text.empty(); ++number) {
    const auto line = Line(text);
    if (!line || !ParseLine(number, *line)) return std::nullopt;
  }
  return readings_;
}

}  // namespace huatuo
