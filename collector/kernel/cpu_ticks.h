// A clock event on each CPU that is online, at which a program of one BPF object runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "collector/kernel/bpf_object.h"
#include "collector/root.h"

namespace huatuo {

enum class IdleTicks { kNone, kToo };

// Not thread-safe. `object` and `root` outlive it.
class CpuTicks {
 public:
  // `before` is called with each CPU whose event is about to start.
  CpuTicks(BpfObject& object, std::string program, const Root& root, IdleTicks idle,
           std::function<void(uint32_t)> before = {})
      : object_(object),
        program_(std::move(program)),
        root_(root),
        idle_(idle),
        before_(std::move(before)) {}
  ~CpuTicks();
  CpuTicks(const CpuTicks&) = delete;
  CpuTicks& operator=(const CpuTicks&) = delete;

  // Ends all events, then starts them anew; 0: none.
  absl::Status SetPeriod(uint64_t period_ns);

  // Events on CPUs that came online, or were gone for a moment; none on those that are gone.
  absl::Status FollowCpus();

  // How often a CPU that came online was without an event until FollowCpus.
  uint64_t arrivals() const { return arrivals_; }

 private:
  struct Event {
    bpf_link* link;
    uint64_t life;
  };
  uint64_t LifeOf(uint32_t cpu) const;
  absl::Status Start(uint32_t cpu);

  BpfObject& object_;
  const std::string program_;
  const Root& root_;
  const IdleTicks idle_;
  const std::function<void(uint32_t)> before_;
  uint64_t period_ns_ = 0;
  uint64_t arrivals_ = 0;
  std::map<uint32_t, Event> events_;  // by CPU
};

// "0-3,8" as numbers; what is not of that form is left out.
std::vector<uint32_t> ParseCpuList(std::string_view text);

}  // namespace huatuo
