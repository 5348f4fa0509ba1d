// One loaded BPF object: a thin layer over libbpf that speaks in names and absl::Status.
//
// Order: Open, then SetConstant / Select / ShareMap / Resize, then Load and Attach, then the rest.
// Destroying it detaches everything; nothing is pinned. SetTunable and Counts may be called from
// any thread after Load, the rest not.
#pragma once

#include <bpf/libbpf.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/instance.h"

namespace huatuo {

class BpfObject {
 public:
  // `elf` is what a skeleton embeds, e.g. Elf<oom_bpf>().
  static absl::StatusOr<std::unique_ptr<BpfObject>> Open(const std::string& name,
                                                         std::span<const std::byte> elf);
  ~BpfObject();
  BpfObject(const BpfObject&) = delete;
  BpfObject& operator=(const BpfObject&) = delete;

  // Sets `const volatile` variable `name`; InvalidArgument when there is none or `value` is too
  // wide.
  absl::Status SetConstant(std::string_view name, uint64_t value);
  // The same for a struct or an array, of exactly this size.
  absl::Status SetConstant(std::string_view name, std::span<const std::byte> value);
  // Loads only these programs.
  absl::Status Select(std::span<const std::string_view> programs);
  // Uses the map behind `fd` in place of map `name`.
  absl::Status ShareMap(const std::string& name, int fd);
  absl::Status Resize(const std::string& map, uint32_t entries);

  // The reason in the error is the kernel's or libbpf's own.
  absl::Status Load();
  absl::Status Attach();
  // No program runs any more; the maps stay.
  void Detach();
  // Detaches one program of those that Attach attached, or attaches it again. Not one of fentry:
  // before 5.13 it cannot be attached a second time.
  absl::Status SetAttached(std::string_view program, bool attached);
  // Attaches one program to the perf event behind `fd`, which the link then owns; `fd` is closed
  // when that is impossible. The link is the caller's.
  absl::StatusOr<bpf_link*> AttachTo(const std::string& program, int fd);

  // Writes the tunable `name` in .data, seen by the programs at once.
  absl::Status SetTunable(std::string_view name, uint64_t value);
  // Writes element `index` of the array `name` in .data. Programs that read it now may see a part.
  absl::Status SetTunable(std::string_view name, size_t index, std::span<const std::byte> value);
  int MapFd(const std::string& map) const;  // -1 when there is none
  // A new run of the attached iterator `program`, to be read to its end and closed by the caller.
  absl::StatusOr<int> OpenIterator(std::string_view program) const;
  // Entry `index` of the map `counters`, summed over the CPUs.
  EmitCounts Counts(uint32_t index = 0) const;

  void AddPrograms(std::vector<ProgramRef>& programs) const;
  // What the kernel charges for the maps of this object, the shared ones apart.
  uint64_t MapBytes() const { return map_bytes_; }

 private:
  struct Variable {
    uint32_t offset;
    uint32_t bytes;
  };
  BpfObject(std::string name, bpf_object* object) : name_(std::move(name)), object_(object) {}
  static absl::StatusOr<bpf_link*> AttachProgram(const bpf_program* program);
  using Variables = std::map<std::string, Variable, std::less<>>;
  Variables VariablesOf(const char* section) const;
  absl::StatusOr<std::span<std::byte>> Tunable(std::string_view name) const;
  absl::StatusOr<std::span<std::byte>> Constant(std::string_view name);
  absl::Status MapTunables();
  uint64_t MeasureMaps() const;

  const std::string name_;
  bpf_object* const object_;
  std::vector<bpf_program*> selected_;
  std::vector<bpf_link*> links_;  // of `selected_`; null: detached
  std::vector<std::string> shared_;
  // The memory of .data, and where in it each variable is: some are written every second.
  std::byte* tunables_ = nullptr;
  size_t tunables_bytes_ = 0;
  Variables tunable_variables_;
  uint64_t map_bytes_ = 0;
};

template <typename Skeleton>
std::span<const std::byte> Elf() {
  size_t size = 0;
  const void* bytes = Skeleton::elf_bytes(&size);
  return {static_cast<const std::byte*>(bytes), size};
}

// Number of possible CPUs; per-CPU maps have that many values.
int PossibleCpus();

// What the kernel charges for the map, from its fdinfo; 0 when it does not tell.
uint64_t MapMemory(int map_fd);

}  // namespace huatuo
