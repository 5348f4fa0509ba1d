#include "collector/units/tasks_iterator.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "bpf/tasks.skel.h"
#include "collector/kernel/bpf_object.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

class TaskIterator : public TaskCounter {
 public:
  TaskIterator(std::unique_ptr<BpfObject> object, const OpenRequest& request,
               const Resources& resources)
      : object_(std::move(object)),
        request_(request),
        sink_(resources.sink),
        keys_(TASKS_CGROUPS),
        values_(TASKS_CGROUPS) {}

  void SetContainers(const std::vector<LiveContainer>& live) override {
    owners_.clear();
    counts_.clear();
    for (const LiveContainer& one : live) {
      for (const cgroup_ref& cgroup : one.cgroups) {
        owners_[{cgroup.hierarchy, cgroup.id}] = one.subject;
      }
      counts_[one.subject] = {};
    }
  }

  void Count(int64_t) override {
    if (!Sweep().ok()) {
      sink_.Lost(request_, "sweep_failed", 1);
      return;
    }
    TakeNode();
    TakeCgroups();
  }

  const std::map<uint32_t, TaskCounts>& counts() const override { return counts_; }
  bool knows_iowait() const override { return true; }
  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    object_->AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return object_->MapBytes(); }

 private:
  // The program writes nothing, so that the first read that succeeds is the end.
  absl::Status Sweep() {
    const uint32_t zero = 0;
    const task_sweep none{};
    bpf_map_update_elem(object_->MapFd("sweep"), &zero, &none, BPF_ANY);
    ASSIGN_OR_RETURN(const int fd, object_->OpenIterator("tasks_sweep"));
    char byte = 0;
    ssize_t got = 0;
    // EAGAIN: it has looked at a million tasks, and goes on where it stands.
    while ((got = read(fd, &byte, 1)) < 0 && (errno == EINTR || errno == EAGAIN)) {
    }
    const int error = errno;
    close(fd);
    return got == 0 ? absl::OkStatus() : ErrnoStatus(error, "read the task iterator");
  }

  void TakeNode() {
    const uint32_t zero = 0;
    task_sweep all{};
    bpf_map_lookup_elem(object_->MapFd("sweep"), &zero, &all);
    for (auto& [owner, counts] : counts_) counts = {};
    Add(all.node, counts_[kHost]);
    const uint64_t untracked = all.untracked + all.unseen;
    if (untracked > 0) sink_.Lost(request_, "untracked_task", untracked);
  }

  // All of them at once, and leaves none for the next sweep.
  void TakeCgroups() {
    uint32_t count = TASKS_CGROUPS;
    uint32_t next = 0;
    const int code = bpf_map_lookup_and_delete_batch(object_->MapFd("cgroups"), nullptr, &next,
                                                     keys_.data(), values_.data(), &count, nullptr);
    if (code != 0 && errno != ENOENT) {
      sink_.Lost(request_, "sweep_failed", 1);
      return;
    }
    for (uint32_t i = 0; i < count; ++i) {
      const auto owner = owners_.find({keys_[i].hierarchy, keys_[i].id});
      if (owner != owners_.end()) Add(values_[i], counts_[owner->second]);
    }
  }

  static void Add(const task_counts& from, TaskCounts& to) {
    for (size_t state = 0; state < TASKS_STATES; ++state) to[state] += from.state[state];
  }

  const std::unique_ptr<BpfObject> object_;
  const OpenRequest request_;
  EventSink& sink_;
  std::vector<cgroup_ref> keys_;
  std::vector<task_counts> values_;
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> owners_;  // by hierarchy and id of a cgroup
  std::map<uint32_t, TaskCounts> counts_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TaskCounter>> OpenTaskIterator(const OpenRequest& request,
                                                              const Resources& resources) {
  if (resources.ring_fd < 0) return Unavailable(resources.no_ring);
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   BpfObject::Open(std::string(request.unit->name), Elf<tasks_bpf>()));
  RETURN_IF_ERROR(object->Select(request.mechanism->programs));
  RETURN_IF_ERROR(object->Load());
  RETURN_IF_ERROR(object->Attach());
  return std::make_unique<TaskIterator>(std::move(object), request, resources);
}

}  // namespace huatuo
