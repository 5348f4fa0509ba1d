// Between absl::Status and grpc::Status: the codes are the same numbers by definition.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "common/status.h"

namespace huatuo {

inline grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), Message(status)};
}

inline absl::Status FromGrpc(const grpc::Status& status) {
  const std::string& text = status.error_message();
  return {static_cast<absl::StatusCode>(status.error_code()), {text.data(), text.size()}};
}

}  // namespace huatuo
