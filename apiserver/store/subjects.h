// Subjects of a row as one text: netstrings ("5:alpha"), 6 a subject. Pure and thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/store/store.h"

namespace huatuo {

std::string SubjectsText(const std::vector<SubjectRow>& subjects);

// Internal when the text is not what SubjectsText makes.
absl::StatusOr<std::vector<SubjectRow>> ParseSubjects(std::string_view text);

}  // namespace huatuo
