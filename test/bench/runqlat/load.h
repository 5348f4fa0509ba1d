// Context switches to measure under.
#pragma once

#include <cstdint>
#include <vector>

namespace huatuo {

// Child processes that bounce a byte through pipes, and some that burn CPU so that others must
// wait. Ended and reaped by the destructor.
class Load {
 public:
  Load(int pairs, int burners);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

 private:
  std::vector<int> children_;
};

// Context switches of the machine since boot.
uint64_t ContextSwitches();

}  // namespace huatuo
