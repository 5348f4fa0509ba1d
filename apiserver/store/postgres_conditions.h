// The part of a filter that the server checks, as SQL with arguments.
#pragma once

#include <string>
#include <string_view>

#include "apiserver/store/filter.h"
#include "apiserver/store/postgres.h"

namespace huatuo {

class PostgresConditions {
 public:
  // Adds ` AND left $n::type`.
  void Add(std::string_view left, std::string_view type, std::string value);

  // Times, names, postings and words of a filter of `event e`. Every row that matches satisfies
  // them.
  void AddFilter(const Matcher& matcher);

  const std::string& sql() const { return sql_; }
  const PgArguments& arguments() const { return arguments_; }

 private:
  void AddWords(const Matcher& matcher);

  std::string sql_;
  PgArguments arguments_;
};

}  // namespace huatuo
