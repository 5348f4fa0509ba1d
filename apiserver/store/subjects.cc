#include "apiserver/store/subjects.h"

#include <charconv>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string SubjectRow::*kFields[] = {
    &SubjectRow::role,           &SubjectRow::container_id, &SubjectRow::container_name,
    &SubjectRow::namespace_name, &SubjectRow::pod_name,     &SubjectRow::pod_uid};

absl::Status Unreadable() { return Internal("subjects: not netstrings: the row is damaged"); }

absl::StatusOr<std::string> TakeNetstring(std::string_view& text) {
  size_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  const auto digits = static_cast<size_t>(end - text.data());
  if (error != std::errc() || digits >= text.size() || text[digits] != ':') return Unreadable();
  text.remove_prefix(digits + 1);
  if (size > text.size()) return Unreadable();
  std::string value(text.substr(0, size));
  text.remove_prefix(size);
  return value;
}

}  // namespace

std::string SubjectsText(const std::vector<SubjectRow>& subjects) {
  std::string text;
  for (const SubjectRow& subject : subjects) {
    for (const auto field : kFields) {
      const std::string& value = subject.*field;
      text += std::to_string(value.size());
      text += ':';
      text += value;
    }
  }
  return text;
}

absl::StatusOr<std::vector<SubjectRow>> ParseSubjects(std::string_view text) {
  std::vector<SubjectRow> subjects;
  while (!text.empty()) {
    SubjectRow& subject = subjects.emplace_back();
    for (const auto field : kFields) {
      ASSIGN_OR_RETURN(subject.*field, TakeNetstring(text));
    }
  }
  return subjects;
}

}  // namespace huatuo
