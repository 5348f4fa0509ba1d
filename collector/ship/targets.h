// The addresses of the apiservers, and which of them is in use.
//
// All streams of a node go to one apiserver: the first stream chooses, the others follow.
// Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace huatuo {

class Targets {
 public:
  // At least one; `start` chooses the one that comes first, so that nodes spread.
  explicit Targets(std::vector<std::string> addresses, size_t start = 0);

  std::string current() const;
  size_t size() const { return addresses_.size(); }
  // The current one did not serve: the next one's turn, after the last the first's.
  void Next();

 private:
  const std::vector<std::string> addresses_;
  mutable std::mutex mutex_;
  size_t index_;
};

// The host:port of each of `texts`, which may hold several between commas. InvalidArgument: none,
// or one without a port.
absl::StatusOr<std::vector<std::string>> ReadTargets(const std::vector<std::string>& texts);

}  // namespace huatuo
