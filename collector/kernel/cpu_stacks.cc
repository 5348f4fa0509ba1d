#include "collector/kernel/cpu_stacks.h"

#include <linux/perf_event.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>

#include "collector/kernel/bpf_object.h"

namespace huatuo {
namespace {

constexpr uint64_t kPeriodNs = 1'000'000;

// A clock event of one CPU that ends itself after its first sample.
class Sampler {
 public:
  explicit Sampler(uint32_t cpu) : cpu_(cpu) {}
  ~Sampler() {
    if (memory_ != MAP_FAILED) munmap(memory_, 2 * page_);
    if (fd_ >= 0) close(fd_);
  }
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  bool Open() {
    perf_event_attr attr{};
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_CPU_CLOCK;
    attr.sample_period = kPeriodNs;
    attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN;
    attr.exclude_callchain_user = 1;
    attr.disabled = 1;
    attr.wakeup_events = 1;
    fd_ = static_cast<int>(
        syscall(SYS_perf_event_open, &attr, -1, static_cast<int>(cpu_), -1, PERF_FLAG_FD_CLOEXEC));
    if (fd_ < 0) return false;
    memory_ = mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    return memory_ != MAP_FAILED;
  }
  bool Start() const { return ioctl(fd_, PERF_EVENT_IOC_REFRESH, 1) == 0; }

  int fd() const { return fd_; }
  uint32_t cpu() const { return cpu_; }

  // Nothing before the sample is there.
  std::optional<CpuStack> Take() const {
    const auto* control = static_cast<const perf_event_mmap_page*>(memory_);
    const uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
    const auto* at = static_cast<const std::byte*>(memory_) + page_;
    for (uint64_t offset = 0;
         offset + sizeof(perf_event_header) <= std::min<uint64_t>(head, page_);) {
      perf_event_header header;
      std::memcpy(&header, at + offset, sizeof(header));
      if (header.size < sizeof(header) || offset + header.size > page_) break;
      if (header.type == PERF_RECORD_SAMPLE)
        return Parse(at + offset + sizeof(header), header.size);
      offset += header.size;
    }
    return std::nullopt;
  }

 private:
  // u32 pid, u32 tid, u64 count, u64 ips[count]
  CpuStack Parse(const std::byte* body, size_t record_bytes) const {
    CpuStack stack{.cpu = cpu_, .answered = true};
    uint64_t count = 0;
    std::memcpy(&stack.pid, body, sizeof(stack.pid));
    std::memcpy(&stack.tid, body + 4, sizeof(stack.tid));
    std::memcpy(&count, body + 8, sizeof(count));
    count = std::min<uint64_t>(count, (record_bytes - sizeof(perf_event_header) - 16) / 8);
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t ip = 0;
      std::memcpy(&ip, body + 16 + 8 * i, sizeof(ip));
      // Between the addresses stand markers of what follows: kernel, user, guest.
      if (ip < static_cast<uint64_t>(PERF_CONTEXT_MAX)) stack.frames.push_back(ip);
    }
    return stack;
  }

  const uint32_t cpu_;
  const size_t page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  int fd_ = -1;
  void* memory_ = MAP_FAILED;
};

void Await(const std::vector<std::unique_ptr<Sampler>>& samplers,
           std::chrono::steady_clock::time_point deadline) {
  std::vector<pollfd> waiting;
  waiting.reserve(samplers.size());
  for (const auto& sampler : samplers) waiting.push_back({sampler->fd(), POLLIN, 0});
  while (!waiting.empty()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return;
    if (poll(waiting.data(), waiting.size(), static_cast<int>(left.count())) <= 0) return;
    std::erase_if(waiting, [](const pollfd& one) { return one.revents != 0; });
  }
}

}  // namespace

std::vector<CpuStack> SampleCpus(std::chrono::steady_clock::time_point deadline) {
  std::vector<std::unique_ptr<Sampler>> samplers;
  for (int cpu = 0; cpu < PossibleCpus(); ++cpu) {
    auto sampler = std::make_unique<Sampler>(static_cast<uint32_t>(cpu));
    if (sampler->Open()) samplers.push_back(std::move(sampler));
  }
  // All at once, so that this thread already sleeps when its own CPU is asked.
  std::erase_if(samplers, [](const auto& sampler) { return !sampler->Start(); });
  Await(samplers, deadline);
  std::vector<CpuStack> stacks;
  stacks.reserve(samplers.size());
  for (const auto& sampler : samplers) {
    stacks.push_back(sampler->Take().value_or(CpuStack{.cpu = sampler->cpu()}));
  }
  return stacks;
}

}  // namespace huatuo
