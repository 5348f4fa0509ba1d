// Which of several apiservers on one store has the stream of a node. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class Claims {
 public:
  virtual ~Claims() = default;

  // A stream of the node begins here: returns the number of the claim, to release it with. An older
  // stream of the same collector (WireOf::collector), here or elsewhere, ends by that.
  //
  // AlreadyExists: another collector of this name is connected, and keeps the name as long as it
  // is. Unavailable: it cannot be known now.
  virtual absl::StatusOr<uint64_t> Take(const v1::Hello& hello, const std::string& collector) = 0;

  // The stream has ended. Does not wait for the store.
  virtual void Release(const std::string& node, uint64_t number) = 0;
};

}  // namespace huatuo
