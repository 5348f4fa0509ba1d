// Propagation of absl::Status, which Debian's Abseil (20220623) does not ship.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function when `expr`, an absl::Status, is an error.
#define RETURN_IF_ERROR(expr)                             \
  do {                                                    \
    if (::absl::Status status_ = (expr); !status_.ok()) { \
      return status_;                                     \
    }                                                     \
  } while (0)

// `lhs` may be a declaration, so it cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)

// Evaluates `expr`, an absl::StatusOr<T>; returns its error, or moves its value into `lhs`.
#define ASSIGN_OR_RETURN(lhs, expr) \
  HUATUO_ASSIGN_OR_RETURN_(HUATUO_CONCAT_(status_or_, __LINE__), lhs, expr)

#define HUATUO_CONCAT_INNER_(a, b) a##b
#define HUATUO_CONCAT_(a, b) HUATUO_CONCAT_INNER_(a, b)
#define HUATUO_ASSIGN_OR_RETURN_(var, lhs, expr) \
  auto var = (expr);                             \
  if (!var.ok()) {                               \
    return std::move(var).status();              \
  }                                              \
  lhs = std::move(var).value()

// NOLINTEND(bugprone-macro-parentheses)
