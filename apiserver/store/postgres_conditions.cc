#include "apiserver/store/postgres_conditions.h"

#include <fmt/format.h>

#include <utility>

#include "apiserver/store/postgres_text.h"

namespace huatuo {

void PostgresConditions::Add(std::string_view left, std::string_view type, std::string value) {
  arguments_.push_back(std::move(value));
  sql_ += fmt::format(" AND {} ${}::{}", left, arguments_.size(), type);
}

void PostgresConditions::AddFilter(const Matcher& matcher) {
  const EventFilter& f = matcher.filter();
  if (f.from_ns) Add("e.tracer_time_ns >=", "bigint", std::to_string(*f.from_ns));
  if (f.to_ns) Add("e.tracer_time_ns <", "bigint", std::to_string(*f.to_ns));
  if (!f.tracer.empty()) Add("e.tracer_name =", "text", EncodeText(f.tracer));
  if (!f.node.empty()) Add("e.node =", "text", EncodeText(f.node));
  if (!f.task_id.empty()) Add("e.task_id =", "text", EncodeText(f.task_id));
  const std::vector<int64_t> postings = PostingsOf(f);
  if (!postings.empty()) Add("e.postings @>", "bigint[]", IntArray(postings));
  AddWords(matcher);
}

// lower() of collation "C" folds ASCII alone, as Matcher does. What is stored as hex digits is read
// by the Matcher, and so is a word that is no text to PostgreSQL.
void PostgresConditions::AddWords(const Matcher& matcher) {
  for (const std::string& word : matcher.words()) {
    if (!IsPlainText(word)) continue;
    arguments_.push_back(word);
    sql_ += fmt::format(
        " AND (strpos(lower(e.document), ${}::text COLLATE \"C\") > 0 OR "
        "starts_with(e.document, '\\x'))",
        arguments_.size());
  }
}

}  // namespace huatuo
