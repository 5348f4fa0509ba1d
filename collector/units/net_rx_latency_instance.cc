#include "collector/units/net_rx_latency_instance.h"

#include <bpf/bpf.h>
#include <linux/net_tstamp.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <limits>
#include <numeric>

#include "bpf/net_rx_latency.skel.h"
#include "collector/kernel/skeleton_instance.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

struct Silence {
  uint32_t slot;
  std::string_view cause;
};
constexpr Silence kSilences[] = {{RX_SILENT_CLOCK_STEP, "clock_step"},
                                 {RX_SILENT_IMPLAUSIBLE, "implausible"},
                                 {RX_SILENT_NOT_IP, "not_ip"},
                                 {RX_SILENT_OWN, "own_connection"},
                                 {RX_SILENT_FILTERED, "filtered"}};

// CLOCK_TAI - CLOCK_REALTIME: whole seconds, 0 where nobody has told the kernel.
uint64_t TaiOffsetNs() {
  timex query{};
  adjtimex(&query);
  return static_cast<uint64_t>(query.tai) * 1'000'000'000;
}

class RxProbe : public SkeletonInstance {
 public:
  RxProbe(std::unique_ptr<BpfObject> object, BpfObject* tunables, const OpenRequest& request,
          const Resources& resources)
      : SkeletonInstance(std::move(object), request, resources.context),
        tunables_(tunables),
        clock_(resources.clock) {}

  ~RxProbe() override {
    StopStamping();
    if (timer_ >= 0) close(timer_);
  }

  absl::Status StartWithClock() {
    timer_ = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer_ < 0) return ErrnoStatus(errno, "make a timer that hears of clock steps");
    RETURN_IF_ERROR(Arm());
    RETURN_IF_ERROR(TellOffset());
    return Start();
  }

  absl::Status SetParameter(size_t index, uint64_t value) override {
    if (request().unit->parameters[index].name != kTimestamping) {
      return SkeletonInstance::SetParameter(index, value);
    }
    if (value != 0) return StartStamping();
    StopStamping();
    return absl::OkStatus();
  }

  void Stop() override {
    SkeletonInstance::Stop();
    StopStamping();
  }

  int fd() const override { return timer_; }

  // Once a second, and at once when the clock was set.
  void Ready() override {
    uint64_t expirations = 0;
    const bool stepped = read(timer_, &expirations, sizeof(expirations)) < 0 && errno == ECANCELED;
    // First: with the new offset alone, packets stamped before the step look late.
    if (stepped) tunables_->SetTunable("stepped_ns", clock_.BootNs()).IgnoreError();
    TellOffset().IgnoreError();
    if (stepped) Arm().IgnoreError();
  }

  void Collect(MetricWriter& writer) override {
    for (uint32_t stage = 0; stage < RX_STAGES; ++stage) {
      Write(writer, kLatePackets, kRxStages[stage], stage);
    }
    for (const Silence& silence : kSilences) {
      Write(writer, kLateUnreported, silence.cause, silence.slot);
    }
  }

 private:
  absl::Status Arm() {
    itimerspec every{};
    every.it_interval.tv_sec = 1;
    every.it_value.tv_sec = clock_.WallNs() / 1'000'000'000 + 1;
    if (timerfd_settime(timer_, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &every, nullptr) !=
        0) {
      return ErrnoStatus(errno, "arm the timer that hears of clock steps");
    }
    return absl::OkStatus();
  }

  absl::Status TellOffset() {
    RETURN_IF_ERROR(tunables_->SetTunable("tai_offset_ns", TaiOffsetNs()));
    return tunables_->SetTunable("wall_offset_ns", static_cast<uint64_t>(WallOffsetNs(clock_)));
  }

  // While a socket with this option is open, the kernel stamps every packet that it receives.
  absl::Status StartStamping() {
    if (socket_ >= 0) return absl::OkStatus();
    socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int option = SOF_TIMESTAMPING_RX_SOFTWARE;
    if (socket_ >= 0 &&
        setsockopt(socket_, SOL_SOCKET, SO_TIMESTAMPING, &option, sizeof(option)) == 0) {
      return absl::OkStatus();
    }
    const absl::Status status = ErrnoStatus(errno, "timestamping: ask for stamps of packets");
    StopStamping();
    return status;
  }

  void StopStamping() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  void Write(MetricWriter& writer, RxMetric metric, std::string_view label, uint32_t slot) const {
    std::vector<uint64_t> cpus(PossibleCpus());
    if (bpf_map_lookup_elem(object().MapFd("late_packets"), &slot, cpus.data()) != 0) return;
    const std::string_view labels[] = {label};
    const uint64_t sum = std::accumulate(cpus.begin(), cpus.end(), uint64_t{0});
    writer.Set(metric, labels, nullptr, static_cast<double>(sum));
  }

  BpfObject* const tunables_;  // the same object, which the base owns
  const Clock& clock_;
  int timer_ = -1;
  int socket_ = -1;
};

// The coarse clocks move with the timer's ticks, and their resolution is a tick.
uint64_t TickNs() {
  timespec resolution{};
  clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return static_cast<uint64_t>(resolution.tv_sec * 1'000'000'000 + resolution.tv_nsec);
}

}  // namespace

int64_t WallOffsetNs(const Clock& clock) {
  constexpr int kAttempts = 5;
  constexpr int64_t kGoodEnoughNs = 100'000;
  int64_t best_ns = std::numeric_limits<int64_t>::max();
  int64_t offset = 0;
  for (int i = 0; i < kAttempts && best_ns > kGoodEnoughNs; ++i) {
    const int64_t before = clock.BootNs();
    const int64_t wall = clock.WallNs();
    const int64_t took = clock.BootNs() - before;
    if (took >= best_ns) continue;
    best_ns = took;
    offset = wall - before - took / 2;
  }
  return offset;
}

absl::StatusOr<std::unique_ptr<Instance>> OpenRxProbe(const OpenRequest& request,
                                                      const Resources& resources) {
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   PrepareObject(Elf<net_rx_latency_bpf>(), request, resources));
  RETURN_IF_ERROR(object->SetConstant("server_port", resources.server_port));
  RETURN_IF_ERROR(object->SetConstant("tick_ns", TickNs()));
  RETURN_IF_ERROR(object->Load());
  BpfObject* const tunables = object.get();
  auto probe = std::make_unique<RxProbe>(std::move(object), tunables, request, resources);
  RETURN_IF_ERROR(probe->StartWithClock());
  return probe;
}

}  // namespace huatuo
