#include "collector/symbols/user_symbols.h"

#include <time.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "collector/symbols/perf_map.h"
#include "common/utf8.h"

namespace huatuo {
namespace {

// Reading that took longer than this is repeated only after kPatience times as long.
constexpr int64_t kCheapNs = 2'000'000;
constexpr int64_t kPatience = 20;
constexpr size_t kMaxViews = 16;  // of at most 0.3 MiB
constexpr size_t kMaxPathBytes = 512;

int64_t NowNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Until when a thing is not done again that has taken `cost_ns`.
int64_t NotBefore(int64_t cost_ns) {
  return cost_ns < kCheapNs ? 0 : NowNs(CLOCK_MONOTONIC) + cost_ns * kPatience;
}

}  // namespace

struct UserSymbols::View {
  ProcessId process;
  Mappings mappings;
  int64_t reread_ns = 0;    // monotonic
  int64_t perf_map_ns = 0;  // the same for its perf map
};

// One call of Resolve.
class UserSymbols::Question {
 public:
  Question(const Root& root, ModuleCache& modules, View& view, std::span<const uint64_t> addresses)
      : root_(root), modules_(modules), view_(view), addresses_(addresses) {
    answer_.frames.resize(addresses.size());
    answer_.cut = view.mappings.cut;
  }

  Answer Take() {
    std::map<const Mapping*, Asked> by_mapping;
    for (size_t i = 0; i < addresses_.size(); ++i) {
      const Mapping* mapping = view_.mappings.Find(addresses_[i]);
      if (mapping != nullptr) by_mapping[mapping].push_back(i);
    }
    for (const auto& [mapping, asked] : by_mapping) InMapping(*mapping, asked);
    if (!jit_.empty()) InPerfMap();
    return std::move(answer_);
  }

 private:
  using Asked = std::vector<size_t>;  // indexes of addresses_

  static uint64_t FileOffset(const Mapping& mapping, uint64_t address) {
    return address - mapping.begin + mapping.offset;
  }

  void InMapping(const Mapping& mapping, const Asked& asked) {
    const std::string& path = view_.mappings.PathOf(mapping);
    if (path == "[vdso]") {
      Module* vdso = modules_.Vdso();
      if (vdso != nullptr) InModule(*vdso, modules_.vdso_source(), mapping, asked);
      return;
    }
    const std::optional<ForeignFile> file = FindMapped(root_, view_.process.pid, mapping, path);
    Module* module = file.has_value() ? modules_.Of(*file) : nullptr;
    if (module != nullptr) {
      InModule(*module, *file, mapping, asked);
    } else if (mapping.inode != 0 && (!file.has_value() || !file->Ready())) {
      for (const size_t i : asked) Place(i, mapping, FileOffset(mapping, addresses_[i]));
    } else {
      // Code that the process made, in memory or in a file of its own.
      jit_.insert(jit_.end(), asked.begin(), asked.end());
    }
  }

  void Place(size_t i, const Mapping& mapping, uint64_t address) {
    UserFrame& frame = answer_.frames[i];
    frame.module = Utf8(view_.mappings.PathOf(mapping), kMaxPathBytes);
    frame.address = address;
    frame.offset = address;
  }

  void InModule(Module& module, const ByteSource& source, const Mapping& mapping,
                const Asked& asked) {
    std::vector<uint64_t> own;
    for (const size_t i : asked) {
      const uint64_t offset = FileOffset(mapping, addresses_[i]);
      Place(i, mapping, module.file().AddressOf(offset).value_or(offset));
      own.push_back(answer_.frames[i].address);
    }
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    modules_.Look(module, source, own);
    for (const size_t i : asked) {
      UserFrame& frame = answer_.frames[i];
      frame.build_id = module.file().build_id;
      const std::optional<Module::Symbol> symbol = module.Find(frame.address);
      if (!symbol.has_value() || symbol->name.empty()) continue;
      frame.function = symbol->name;
      frame.offset = frame.address - symbol->begin;
    }
  }

  void InPerfMap() {
    for (const size_t i : jit_) answer_.frames[i].module = "[jit]";
    if (NowNs(CLOCK_MONOTONIC) < view_.perf_map_ns) {
      answer_.cut = true;
      return;
    }
    const std::optional<ForeignFile> file = OpenPerfMap(root_, view_.process.pid);
    if (!file.has_value()) return;
    const int64_t begin = NowNs(CLOCK_THREAD_CPUTIME_ID);
    std::sort(jit_.begin(), jit_.end(),
              [&](size_t a, size_t b) { return addresses_[a] < addresses_[b]; });
    std::vector<uint64_t> sorted;
    for (const size_t i : jit_) sorted.push_back(addresses_[i]);
    const JitSymbols symbols = FindInPerfMap(*file, sorted);
    answer_.cut = answer_.cut || symbols.cut;
    for (size_t n = 0; n < jit_.size(); ++n) {
      const JitSymbol& symbol = symbols.found[n];
      if (symbol.name.empty()) continue;
      UserFrame& frame = answer_.frames[jit_[n]];
      frame.function = symbol.name;
      frame.address = sorted[n];
      frame.offset = sorted[n] - symbol.begin;
    }
    view_.perf_map_ns = NotBefore(NowNs(CLOCK_THREAD_CPUTIME_ID) - begin);
  }

  const Root& root_;
  ModuleCache& modules_;
  View& view_;
  const std::span<const uint64_t> addresses_;
  Asked jit_;
  Answer answer_;
};

UserSymbols::UserSymbols(const Root& root, size_t limit_bytes)
    : root_(root), modules_(limit_bytes) {}
UserSymbols::~UserSymbols() = default;

std::shared_ptr<UserSymbols::View> UserSymbols::ViewOf(const ProcessId& process) {
  const auto known = std::find_if(views_.begin(), views_.end(),
                                  [&](const auto& view) { return view->process == process; });
  int64_t perf_map_ns = 0;
  if (known != views_.end()) {
    if (NowNs(CLOCK_MONOTONIC) < (*known)->reread_ns) return *known;
    perf_map_ns = (*known)->perf_map_ns;
    views_.erase(known);
  }
  const int64_t begin = NowNs(CLOCK_THREAD_CPUTIME_ID);
  auto mappings = ReadMappings(root_, process.pid);
  // Asked afterwards: so they are not those of a later process with this pid.
  if (!mappings.ok() || !IsAlive(root_, process)) return nullptr;
  const int64_t reread_ns = NotBefore(NowNs(CLOCK_THREAD_CPUTIME_ID) - begin);
  views_.push_front(
      std::make_shared<View>(View{process, std::move(*mappings), reread_ns, perf_map_ns}));
  if (views_.size() > kMaxViews) views_.pop_back();
  return views_.front();
}

UserSymbols::Answer UserSymbols::Resolve(const ProcessId& process,
                                         std::span<const uint64_t> addresses) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<View> view = ViewOf(process);
  if (view == nullptr) {
    Answer answer;
    answer.frames.resize(addresses.size());
    answer.gone = true;
    return answer;
  }
  Answer answer = Question(root_, modules_, *view, addresses).Take();
  modules_.Trim();
  return answer;
}

ModuleCache::Counts UserSymbols::counts() const {
  const std::lock_guard lock(mutex_);
  return modules_.counts();
}

}  // namespace huatuo
