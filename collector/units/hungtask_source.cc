#include "collector/units/hungtask_source.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "bpf/hungtask.skel.h"
#include "collector/kernel/bpf_object.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// The kernel fills at most 32 KiB before it hands them over.
constexpr size_t kBufferBytes = 64 << 10;

class BpfHungtaskSource : public HungtaskSource {
 public:
  explicit BpfHungtaskSource(std::unique_ptr<BpfObject> object)
      : object_(std::move(object)), buffer_(kBufferBytes) {}

  absl::Status Sweep(bool stacks, const Visit& visit) override {
    RETURN_IF_ERROR(object_->SetTunable("want_stacks", stacks ? 1 : 0));
    ASSIGN_OR_RETURN(const int fd, object_->OpenIterator("hungtask_sweep"));
    absl::Status status =
        ReadAll(fd, stacks ? sizeof(hungtask_task) : offsetof(hungtask_task, stack), visit);
    close(fd);
    return status;
  }

  void TakeHangs(const Visit& visit) override {
    hungtask_task task{};
    while (bpf_map_lookup_and_delete_elem(object_->MapFd("hangs"), nullptr, &task) == 0) {
      visit(task);
    }
  }

  uint64_t missed() const override { return object_->Counts().ring_full; }
  void AddPrograms(std::vector<ProgramRef>& programs) const override {
    object_->AddPrograms(programs);
  }
  uint64_t MapBytes() const override { return object_->MapBytes(); }

 private:
  // `record_bytes`: what the program writes of each task. A read may end within a record.
  absl::Status ReadAll(int fd, size_t record_bytes, const Visit& visit) {
    hungtask_task task{};
    size_t kept = 0;
    while (true) {
      const ssize_t got = read(fd, buffer_.data() + kept, buffer_.size() - kept);
      // EAGAIN: it has looked at a million tasks in vain, and goes on where it stands.
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got < 0) return ErrnoStatus(errno, "read the task iterator");
      if (got == 0) return absl::OkStatus();
      const size_t size = kept + static_cast<size_t>(got);
      size_t at = 0;
      for (; at + record_bytes <= size; at += record_bytes) {
        std::memcpy(&task, buffer_.data() + at, record_bytes);
        visit(task);
      }
      kept = size - at;
      std::memmove(buffer_.data(), buffer_.data() + at, kept);
    }
  }

  const std::unique_ptr<BpfObject> object_;
  std::vector<std::byte> buffer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HungtaskSource>> OpenHungtaskSource(const OpenRequest& request) {
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   BpfObject::Open(std::string(request.unit->name), Elf<hungtask_bpf>()));
  RETURN_IF_ERROR(object->Select(request.mechanism->programs));
  RETURN_IF_ERROR(object->Load());
  RETURN_IF_ERROR(object->Attach());
  return std::make_unique<BpfHungtaskSource>(std::move(object));
}

}  // namespace huatuo
