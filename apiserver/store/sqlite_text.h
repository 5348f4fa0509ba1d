// The full-text index of the SQLite store: which rows may hold a word, by its trigrams.
//
// It follows the events instead of being part of their transaction, because it costs about ten
// times what the append does (docs are tokenized into hundreds of trigrams): rows above the state
// "text_mark" are not covered yet, and a search reads those themselves. It comes in parts, FTS5
// tables `text_<first>` that cover the positions of one row of text_part, because dropping a table
// is cheap and deleting single rows from FTS5 is not: a part goes as soon as retention reaches it,
// and what is left of its rows is searched by reading, too.
//
// What it finds is a superset of what matches.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/store/sqlite.h"

namespace huatuo {

// Positions [first, last] are covered by the table named TextTable(first).
struct TextPart {
  int64_t first = 0;
  int64_t last = 0;
};

std::string TextTable(int64_t first);

// The FTS5 expression that all rows with these (lower-case) words satisfy; empty when the words
// are too short for the index to help.
std::string TextExpression(const std::vector<std::string>& words);

absl::StatusOr<std::vector<TextPart>> TextParts(Database& database);  // in order

// Covers some more rows, about 10 ms of work in one transaction; returns how many, 0 when there are
// none left.
absl::StatusOr<size_t> IndexText(Database& database);

// Drops the parts that begin before `position`. Inside a transaction of the caller.
absl::Status DropTextBefore(Database& database, int64_t position);

}  // namespace huatuo
