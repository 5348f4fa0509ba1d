// The reasons for which this kernel drops packets, by the names that its own BTF gives them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace huatuo {

// Immutable, so thread-safe.
class DropReasons {
 public:
  // Of the core and, as far as they are loaded now, of Open vSwitch and mac80211. Empty where the
  // kernel tells no reasons (before 5.17) or has no BTF.
  static DropReasons OfThisKernel();

  explicit DropReasons(std::map<uint32_t, std::string> names) : names_(std::move(names)) {}

  // As the kernel numbers them; names without SKB_ and SKB_DROP_REASON_.
  const std::map<uint32_t, std::string>& names() const { return names_; }
  std::optional<uint32_t> Number(std::string_view name) const;
  // All names, for who asked for another one.
  std::string List() const;

 private:
  std::map<uint32_t, std::string> names_;
};

// Whether drops for this reason are part of normal life: nobody misses the packet.
bool IsNormalDrop(std::string_view reason);

// A function of the kernel in which drops without a reason are part of normal life.
struct NormalPlace {
  std::string_view function;
  bool only_fin = false;  // those of TCP packets with FIN
};

// At most DROP_CODES; no kernel has all of them.
std::span<const NormalPlace> NormalPlaces();

}  // namespace huatuo
