#include "collector/kernel/cpu_sampler.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "bpf/cpu_profile.skel.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr uint32_t kEntriesPerCpu = 32;
constexpr uint32_t kMinEntries = 1024;
constexpr uint32_t kMaxEntries = 4096;
constexpr const char* kCounts[] = {"counts_0", "counts_1"};
constexpr const char* kStacks[] = {"stacks_0", "stacks_1"};

uint32_t Entries() {
  return std::clamp(static_cast<uint32_t>(PossibleCpus()) * kEntriesPerCpu, kMinEntries,
                    kMaxEntries);
}

// After it no program runs that had begun before it. The kernel implements this command as
// synchronize_rcu; with nohz_full it refuses, and a program takes far less than the pause.
void WaitForPrograms() {
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

// Reads and deletes all entries of a hash map, some hundred with each call. Their memory is not
// cleared first: that would take longer than all the rest while there is little to read.
template <typename Key, typename Value, typename Take>
void TakeAll(int map, size_t chunk, const Take& take) {
  const auto keys = std::make_unique_for_overwrite<Key[]>(chunk);
  const auto values = std::make_unique_for_overwrite<Value[]>(chunk);
  uint32_t position = 0;
  uint32_t* from = nullptr;
  for (int error = 0; error == 0; from = &position) {
    auto count = static_cast<uint32_t>(chunk);
    error = bpf_map_lookup_and_delete_batch(map, from, &position, keys.get(), values.get(), &count,
                                            nullptr);
    // ENOENT is the end, and comes with the last entries.
    if (error != 0 && error != -ENOENT) return;
    for (uint32_t i = 0; i < count; ++i) take(keys[i], values[i]);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<CpuSampler>> CpuSampler::Open(
    std::span<const std::string_view> programs, const Root& root, uint32_t tgid) {
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   BpfObject::Open("cpu_profile", Elf<cpu_profile_bpf>()));
  RETURN_IF_ERROR(object->Select(programs));
  for (const int set : {0, 1}) {
    RETURN_IF_ERROR(object->Resize(kCounts[set], Entries()));
    RETURN_IF_ERROR(object->Resize(kStacks[set], Entries()));
  }
  RETURN_IF_ERROR(object->Load());
  RETURN_IF_ERROR(object->SetTunable("filter_tgid", tgid));
  return std::unique_ptr<CpuSampler>(new CpuSampler(std::move(object), root));
}

absl::Status CpuSampler::SetCgroups(const std::vector<cgroup_ref>& cgroups) {
  const int map = object_->MapFd("wanted_cgroups");
  const uint8_t yes = 1;
  // Never deleted: an id is not used again, and a dead cgroup's last tasks are still wanted.
  for (const cgroup_ref& cgroup : cgroups) {
    if (bpf_map_update_elem(map, &cgroup, &yes, BPF_ANY) == 0) continue;
    // Full of cgroups below the container's: those are found through their ancestors.
    if (errno != E2BIG) return ErrnoStatus(errno, "cpu_profile: write wanted_cgroups");
  }
  return object_->SetTunable("filter_cgroups", 1);
}

absl::Status CpuSampler::SetRate(uint32_t hz) {
  return ticks_.SetPeriod(hz == 0 ? 0 : 1'000'000'000 / hz);
}

void CpuSampler::Empty(uint32_t set, Samples& samples) const {
  // 64 stacks are 65 KiB.
  TakeAll<uint64_t, cpu_profile_stack>(
      object_->MapFd(kStacks[set]), 64, [&](uint64_t id, const cpu_profile_stack& stack) {
        const uint64_t frames = std::min<uint64_t>(stack.count, CPU_PROFILE_DEPTH);
        samples.stacks.try_emplace(id, stack.frame, stack.frame + frames);
      });
  TakeAll<cpu_profile_key, uint64_t>(
      object_->MapFd(kCounts[set]), 256,
      [&](const cpu_profile_key& key, uint64_t count) { samples.counts.emplace_back(key, count); });
}

CpuSampler::Samples CpuSampler::Drain() {
  Samples samples;
  const uint32_t full = set_;
  set_ = 1 - set_;
  object_->SetTunable("buffer", set_).IgnoreError();
  WaitForPrograms();
  Empty(full, samples);
  samples.nearly_full = std::max(samples.stacks.size(), samples.counts.size()) > Entries() / 2;
  return samples;
}

cpu_profile_counters CpuSampler::Counters() const {
  std::vector<cpu_profile_counters> cpus(PossibleCpus());
  cpu_profile_counters sum{};
  const uint32_t zero = 0;
  if (bpf_map_lookup_elem(object_->MapFd("counters"), &zero, cpus.data()) != 0) return sum;
  for (const cpu_profile_counters& cpu : cpus) {
    sum.sampled += cpu.sampled;
    sum.counted += cpu.counted;
    sum.map_full += cpu.map_full;
    sum.map_busy += cpu.map_busy;
    sum.stack_full += cpu.stack_full;
  }
  return sum;
}

}  // namespace huatuo
