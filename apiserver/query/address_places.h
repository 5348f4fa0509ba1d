// How many connections each address has.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace huatuo {

// Thread-safe; must outlive the places that it gave.
class AddressPlaces {
 public:
  // Given back when it goes.
  using Place = std::shared_ptr<const void>;

  // `most` 0: any number.
  explicit AddressPlaces(size_t most) : most_(most) {}

  // Null when the address has as many as it may have.
  Place Take(const std::string& address);

 private:
  void GiveBack(const std::string& address);

  const size_t most_;
  std::mutex mutex_;
  std::map<std::string, size_t> taken_;
};

}  // namespace huatuo
