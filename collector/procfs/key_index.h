// Which row of a table a line of a file belongs to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "collector/procfs/key_rows.h"

namespace huatuo {

struct KeyReading {
  size_t row;
  double value;
};

// The kernel writes the keys of a file always in the same order: the answer for the n-th line is
// remembered, so that looking up is one comparison. Not thread-safe.
class KeyIndex {
 public:
  static constexpr size_t kNone = ~size_t{0};

  KeyIndex() = default;
  explicit KeyIndex(std::span<const KeyRow> rows);
  void Add(std::string key, size_t row) { rows_.emplace(std::move(key), row); }

  // The row of `key`, the `line`-th of its file; kNone when it has none.
  size_t Find(size_t line, std::string_view key);

  // Reads "key value", "key: value" and "key: value kB" lines, kB as bytes; keys without a row are
  // passed over. nullopt when the text is empty, was cut, or the value of a row is no number of at
  // most 64 bits. The span is valid until the next call.
  std::optional<std::span<const KeyReading>> Parse(std::string_view text);

 private:
  struct Seen {
    std::string key;
    size_t row = kNone;
  };
  bool ParseLine(size_t number, std::string_view line);

  absl::flat_hash_map<std::string, size_t> rows_;
  std::vector<Seen> seen_;  // by line
  std::vector<KeyReading> readings_;
};

}  // namespace huatuo
