// The 802.3ad bonds of the host as they were last seen; tells what has changed since.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/root.h"
#include "collector/units/netdev_bonding_lacp_state.h"

namespace huatuo {

// The record of an event.
struct LacpChange {
  std::string bond;
  std::string changes;
  std::string content;  // the driver's own text, after the change
  LacpBond before;
  LacpBond after;
};

// Not thread-safe.
class LacpWatch {
 public:
  explicit LacpWatch(const Root& root) : root_(root) {}

  // Reads all bonds. A bond that is seen for the first time has not changed; one that is gone is
  // forgotten.
  std::vector<LacpChange> Look();

  bool empty() const { return bonds_.empty(); }

 private:
  std::vector<std::string> Names() const;

  const Root& root_;
  std::map<std::string, LacpBond> bonds_;
};

}  // namespace huatuo
