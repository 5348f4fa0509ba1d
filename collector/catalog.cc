#include "collector/catalog.h"

namespace huatuo {

extern const Unit kBlock, kCpu, kCpuProfile, kDisk, kDropwatch, kEvents, kFaultDelay, kForks,
    kFsync, kHungtask, kLockDelay, kMemory, kMemoryReclaimEvents, kNetRxLatency, kNetTx, kNetdev,
    kNetdevBondingLacp, kNetdevEvents, kNetdevHw, kNetdevTxqueueTimeout, kNetwork, kOom, kPressure,
    kRas, kReclaim, kReschedIpi, kRunqlat, kSelf, kSoftirq, kSoftlockup, kSyscalls, kTasks,
    kTcpRetransmit;

namespace {
// One a line.
// clang-format off
constexpr const Unit* kUnits[] = {
    &kBlock,
    &kCpu,
    &kCpuProfile,
    &kDisk,
    &kDropwatch,
    &kEvents,
    &kFaultDelay,
    &kForks,
    &kFsync,
    &kHungtask,
    &kLockDelay,
    &kMemory,
    &kMemoryReclaimEvents,
    &kNetRxLatency,
    &kNetTx,
    &kNetdev,
    &kNetdevBondingLacp,
    &kNetdevEvents,
    &kNetdevHw,
    &kNetdevTxqueueTimeout,
    &kNetwork,
    &kOom,
    &kPressure,
    &kRas,
    &kReclaim,
    &kReschedIpi,
    &kRunqlat,
    &kSelf,
    &kSoftirq,
    &kSoftlockup,
    &kSyscalls,
    &kTasks,
    &kTcpRetransmit,
};
// clang-format on
}  // namespace

std::span<const Unit* const> AllUnits() { return kUnits; }

}  // namespace huatuo
