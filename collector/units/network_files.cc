#include "collector/units/network_files.h"

#include <algorithm>

#include "collector/procfs/scan.h"

namespace huatuo {

PairedLines::PairedLines(std::span<const KeyRow> rows, size_t first) {
  for (size_t i = 0; i < rows.size(); ++i) rows_.emplace(std::string(rows[i].key), first + i);
}

const PairedLines::Names& PairedLines::NamesOf(size_t number, std::string_view line) {
  if (number >= names_.size()) names_.resize(number + 1);
  Names& names = names_[number];
  if (names.line == line) return names;
  names.line = line;
  names.rows.clear();
  std::string_view protocol = Word(line);
  protocol.remove_suffix(std::min<size_t>(protocol.size(), 1));
  for (auto field = Word(line); !field.empty(); field = Word(line)) {
    const auto row = rows_.find(std::string(protocol).append("_").append(field));
    names.rows.push_back(row == rows_.end() ? KeyIndex::kNone : row->second);
  }
  return names;
}

bool PairedLines::ParsePair(const Names& names, std::string_view values) {
  if (Word(values) != std::string_view(names.line).substr(0, names.line.find(' '))) return false;
  for (const size_t row : names.rows) {
    const std::string_view word = Word(values);
    if (row == KeyIndex::kNone) continue;
    const auto value = ParseCount(word);
    if (!value) return false;
    readings_.push_back({row, *value});
  }
  return true;
}

std::optional<std::span<const KeyReading>> PairedLines::Parse(std::string_view text) {
  constexpr size_t kMaxPairs = 64;
  readings_.clear();
  if (text.empty()) return std::nullopt;
  for (size_t number = 0; !text.empty(); ++number) {
    const auto names = Line(text);
    const auto values = Line(text);
    if (!names || !values || number == kMaxPairs) return std::nullopt;
    if (!ParsePair(NamesOf(number, *names), *values)) return std::nullopt;
  }
  return readings_;
}

bool SocketCounts::ParseLine(std::string_view line) {
  std::string_view protocol = Word(line);
  if (!protocol.ends_with(':')) return false;
  protocol.remove_suffix(1);
  for (auto field = Word(line); !field.empty(); field = Word(line)) {
    key_.assign(protocol).append("_").append(field);
    const std::string_view word = Word(line);
    const size_t row = index_.Find(position_++, key_);
    if (row == KeyIndex::kNone) continue;
    const auto value = ParseCount(word);
    if (!value) return false;
    readings_.push_back({row, *value});
  }
  return true;
}

std::optional<std::span<const KeyReading>> SocketCounts::Parse(std::string_view text) {
  readings_.clear();
  position_ = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto line = Line(text);
    if (!line || !ParseLine(*line)) return std::nullopt;
  }
  return readings_;
}

std::optional<std::span<const DeviceEntries>> ArpTable::Parse(std::string_view text) {
  devices_.clear();
  const auto title = Line(text);
  if (!title || !title->starts_with("IP address")) return std::nullopt;
  while (!text.empty()) {
    const auto line = Line(text);
    const size_t blank = line ? line->find_last_of(' ') : std::string_view::npos;
    if (blank == std::string_view::npos || blank + 1 == line->size()) return std::nullopt;
    const std::string_view name = line->substr(blank + 1);
    auto device = std::ranges::find(devices_, name, &DeviceEntries::device);
    if (device == devices_.end()) device = devices_.insert(device, {name, 0});
    ++device->entries;
  }
  return devices_;
}

std::optional<double> ParseArpCache(std::string_view text) {
  const auto title = Line(text);
  auto first = Line(text);
  uint64_t entries = 0;
  if (!title || !first || !title->starts_with("entries")) return std::nullopt;
  if (!ParseNumber(Word(*first), entries, 16)) return std::nullopt;
  return static_cast<double>(entries);
}

std::optional<double> ParseMemoryLimit(std::string_view text) {
  auto line = Line(text);
  if (!line || !text.empty()) return std::nullopt;
  Word(*line);
  Word(*line);
  return ParseCount(Word(*line));
}

}  // namespace huatuo
