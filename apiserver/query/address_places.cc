#include "apiserver/query/address_places.h"

namespace huatuo {

AddressPlaces::Place AddressPlaces::Take(const std::string& address) {
  {
    const std::lock_guard lock(mutex_);
    size_t& taken = taken_[address];
    if (most_ != 0 && taken >= most_) return nullptr;
    ++taken;
  }
  return {this, [this, address](const void*) { GiveBack(address); }};
}

void AddressPlaces::GiveBack(const std::string& address) {
  const std::lock_guard lock(mutex_);
  const auto found = taken_.find(address);
  if (--found->second == 0) taken_.erase(found);
}

}  // namespace huatuo
