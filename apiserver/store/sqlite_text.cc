#include "apiserver/store/sqlite_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/status_macros.h"

namespace huatuo {
namespace {

// Small enough that reading a part which lost its table takes some 30 ms, large enough that a
// search of millions of rows opens few tables.
constexpr int64_t kRowsOfPart = 32768;

// Of one step of indexing.
constexpr int kRowsOfStep = 64;
constexpr size_t kBytesOfStep = 256 << 10;

// More of them make the intersection slower, hardly smaller.
constexpr size_t kMaxTrigrams = 24;

// FTS5 folds and splits by Unicode character; where all three are ASCII it agrees with bytes.
bool IsPlain(std::string_view trigram) {
  return std::all_of(trigram.begin(), trigram.end(), [](char c) { return c > 0; });
}

std::set<std::string> Trigrams(const std::vector<std::string>& words) {
  std::set<std::string> found;
  for (const std::string& word : words) {
    for (size_t i = 0; i + 3 <= word.size() && found.size() < kMaxTrigrams; ++i) {
      if (IsPlain(std::string_view(word).substr(i, 3))) found.insert(word.substr(i, 3));
    }
  }
  return found;
}

// The part that goes on behind `mark`, or a new one.
absl::StatusOr<int64_t> OpenPart(Database& database, int64_t mark) {
  ASSIGN_OR_RETURN(Statement find, database.Kept("SELECT first FROM text_part "
                                                 "WHERE last = ? AND last - first < ?"));
  ASSIGN_OR_RETURN(const bool found, find.Bind(mark).Bind(kRowsOfPart - 1).Step());
  if (found) return find.Int(0);
  const int64_t first = mark + 1;
  RETURN_IF_ERROR(database.Execute(
      fmt::format("CREATE VIRTUAL TABLE {} USING fts5(document, content = '', columnsize = 0, "
                  "detail = none, tokenize = 'trigram');"
                  "INSERT INTO text_part(first, last) VALUES({}, {})",
                  TextTable(first), first, mark)));
  return first;
}

// Returns the number of rows and moves `last` to the last of them.
absl::StatusOr<size_t> Fill(Database& database, int64_t first, int64_t& last) {
  ASSIGN_OR_RETURN(Statement rows, database.Kept("SELECT position, document FROM event "
                                                 "WHERE position > ? ORDER BY position LIMIT ?"));
  ASSIGN_OR_RETURN(
      Statement insert,
      database.Once(fmt::format("INSERT INTO {}(rowid, document) VALUES(?, ?)", TextTable(first))));
  rows.Bind(last).Bind(int64_t{kRowsOfStep});
  size_t count = 0;
  for (size_t bytes = 0; bytes < kBytesOfStep; ++count) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) break;
    std::string document(rows.Text(1));
    std::replace(document.begin(), document.end(), '\0', ' ');  // FTS5 would stop there
    insert.Again();
    RETURN_IF_ERROR(insert.Bind(rows.Int(0)).Bind(document).Run());
    bytes += document.size();
    last = rows.Int(0);
  }
  return count;
}

}  // namespace

std::string TextTable(int64_t first) { return fmt::format("text_{}", first); }

std::string TextExpression(const std::vector<std::string>& words) {
  std::string expression;
  for (const std::string& trigram : Trigrams(words)) {
    expression += expression.empty() ? "\"" : " AND \"";
    for (const char c : trigram) expression += c == '"' ? "\"\"" : std::string(1, c);
    expression += '"';
  }
  return expression;
}

absl::StatusOr<std::vector<TextPart>> TextParts(Database& database) {
  ASSIGN_OR_RETURN(Statement rows,
                   database.Kept("SELECT first, last FROM text_part ORDER BY first"));
  std::vector<TextPart> parts;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, rows.Step());
    if (!more) return parts;
    parts.push_back({rows.Int(0), rows.Int(1)});
  }
}

absl::StatusOr<size_t> IndexText(Database& database) {
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database, true));
  ASSIGN_OR_RETURN(int64_t mark, database.Int("SELECT value FROM state WHERE name = 'text_mark'"));
  ASSIGN_OR_RETURN(const int64_t newest, database.Int("SELECT max(position) FROM event"));
  if (newest <= mark) return 0;
  ASSIGN_OR_RETURN(const int64_t first, OpenPart(database, mark));
  ASSIGN_OR_RETURN(const size_t count, Fill(database, first, mark));
  RETURN_IF_ERROR(
      database.Execute(fmt::format("UPDATE text_part SET last = {0} WHERE first = {1};"
                                   "UPDATE state SET value = {0} WHERE name = 'text_mark'",
                                   mark, first)));
  RETURN_IF_ERROR(transaction.Commit());
  return count;
}

absl::Status DropTextBefore(Database& database, int64_t position) {
  ASSIGN_OR_RETURN(const std::vector<TextPart> parts, TextParts(database));
  for (const TextPart& part : parts) {
    if (part.first >= position) break;
    RETURN_IF_ERROR(
        database.Execute(fmt::format("DROP TABLE {}; DELETE FROM text_part WHERE first = {}",
                                     TextTable(part.first), part.first)));
  }
  return absl::OkStatus();
}

}  // namespace huatuo
