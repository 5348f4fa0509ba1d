// The part of Containers that finds host names.
#include <array>
#include <utility>

#include "collector/enrich/containers.h"
#include "collector/enrich/processes.h"
#include "collector/enrich/uts.h"

namespace huatuo {
namespace {

// From one try to the next. A cgroup is made before it has a process, and the process sets its
// name some time after it came.
constexpr std::array<int64_t, Containers::kTries> kTriesNs = {0, 100'000'000, 1'000'000'000,
                                                              5'000'000'000, 30'000'000'000};

}  // namespace

void Containers::NameDue() {
  const int64_t now = clock_.BootNs();
  for (const uint32_t number : std::exchange(naming_, {})) {
    size_t tries = kTries;
    int64_t retry_ns = 0;
    {
      const std::shared_lock lock(index_mutex_);
      const auto subject = subjects_.find(number);
      if (subject == subjects_.end() || subject->second.live == 0) continue;
      tries = subject->second.tries;
      retry_ns = subject->second.retry_ns;
    }
    if (tries == kTries) continue;
    naming_.push_back(number);
    if (now >= retry_ns) Name(number);
  }
}

// A name equal to the node's is published but not yet believed: until the runtime has set one, a
// new namespace has a copy of it.
void Containers::Name(uint32_t number) {
  std::shared_ptr<const Container> container;
  {
    const std::shared_lock lock(index_mutex_);
    const auto subject = subjects_.find(number);
    if (subject == subjects_.end() || subject->second.tries == kTries) return;
    container = subject->second.container;
  }
  if (node_name_.empty()) node_name_ = UtsName(root_, 1).value_or("");
  std::optional<std::string> name;
  for (const auto& folder : container->folders) {
    const auto pid = AnyProcessOf(root_, folder.path);
    if (pid && (name = UtsName(root_, *pid))) break;
  }
  const std::unique_lock lock(index_mutex_);
  Subject& subject = subjects_[number];
  const bool settled = name && *name != node_name_;
  subject.tries = settled ? kTries : subject.tries + 1;
  if (subject.tries < kTries) subject.retry_ns = clock_.BootNs() + kTriesNs[subject.tries];
  if (name && *name != subject.container->hostname) {
    auto copy = std::make_shared<Container>(*subject.container);
    copy->hostname = *name;
    subject.container = std::move(copy);
  }
  if (subject.tries == kTries && subject.container->hostname.empty()) ++counters_.unnamed;
}

}  // namespace huatuo
