#include "bpf/lock_delay.h"

#include <fmt/format.h>

#include "bpf/lock_delay.skel.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

std::string_view KindOf(uint32_t flags) {
  if ((flags & LOCK_PERCPU) != 0) return "percpu_rwsem";
  if ((flags & LOCK_RT) != 0) return "rtmutex";
  if ((flags & LOCK_MUTEX) != 0) return "mutex";
  return (flags & (LOCK_READ | LOCK_WRITE)) != 0 ? "rwsem" : "semaphore";
}

v1::Value Kind(const lock_delay_event& event, Context&) { return TextValue(KindOf(event.flags)); }

v1::Value Wanted(const lock_delay_event& event, Context&) {
  if ((event.flags & LOCK_READ) != 0) return TextValue("read");
  return (event.flags & LOCK_WRITE) != 0 ? TextValue("write") : Unknown();
}

// Locks that are not part of an allocated object have a name.
v1::Value Lock(const lock_delay_event& event, Context& context) {
  const v1::Frame frame = context.Symbolize(event.lock);
  if (frame.symbol().empty()) return Unknown();
  return TextValue(frame.offset() == 0 ? frame.symbol()
                                       : fmt::format("{}+0x{:x}", frame.symbol(), frame.offset()));
}

// Who was waited for is known when a task had the lock alone.
v1::Value CulpritPid(const lock_delay_event& event, Context&) {
  return event.holder_tid == 0 ? Unknown() : UintValue(event.holder_tgid);
}
v1::Value CulpritTid(const lock_delay_event& event, Context&) {
  return event.holder_tid == 0 ? Unknown() : UintValue(event.holder_tid);
}
v1::Value CulpritComm(const lock_delay_event& event, Context&) {
  return event.holder_tid == 0 ? Unknown() : ValueOf(event.holder_comm);
}

v1::Value Stack(const lock_delay_event& event, Context& context) {
  return StackValue(event.stack, 0, context);
}

constexpr auto kText = v1::Field::TEXT;

constexpr auto kFields = FieldsOf<lock_delay_event>(
    F<&lock_delay_event::delay_ns>("delay_ns", "How long it waited."),
    F<&lock_delay_event::threshold_ns>("threshold_ns", "The threshold in force."),
    Derived<&Kind>("kind", "mutex, rwsem, percpu_rwsem, rtmutex or semaphore.", kText),
    Derived<&Wanted>("wanted", "read or write; null for a lock that knows no difference.", kText),
    Derived<&Lock>("lock", "Name of the lock; null when it is part of some object.", kText),
    Derived<&CulpritPid>("culprit_pid",
                         "Process that had the lock when the wait began; null: not known, or many.",
                         v1::Field::UINT),
    Derived<&CulpritTid>("culprit_tid", "Its thread.", v1::Field::UINT),
    Derived<&CulpritComm>("culprit_comm", "Command name of that thread.", kText),
    Derived<&Stack>("stack", "Kernel stack of the task that waited.", v1::Field::STACK),
    Hidden<&lock_delay_event::holder_cgroup>(), Hidden<&lock_delay_event::stack>(),
    Hidden<&lock_delay_event::lock>(), Hidden<&lock_delay_event::flags>(),
    Hidden<&lock_delay_event::holder_tgid>(), Hidden<&lock_delay_event::holder_tid>(),
    Hidden<&lock_delay_event::reserved>(), Hidden<&lock_delay_event::holder_comm>());

constexpr SubjectSource kSubjects[] = {
    {"", [](const void* r) { return static_cast<const lock_delay_event*>(r)->header.cgroup; }},
    {"culprit",
     [](const void* r) { return static_cast<const lock_delay_event*>(r)->holder_cgroup; }},
};

constexpr EventType kEvents[] = {{
    .name = "lock_delay",
    .help = "A task slept long for a lock of the kernel.",
    .fields = kFields,
    .record_bytes = sizeof(lock_delay_event),
    .subjects = kSubjects,
}};

constexpr Parameter kParameters[] = {
    {.name = "threshold_ns",
     .help = "A wait at least this long is an event.",
     .unit = "ns",
     .default_value = 100'000'000,
     .minimum = 10'000,
     .maximum = 3'600'000'000'000},
    kLimitPerSecond,
};

constexpr std::string_view kPrograms[] = {"lock_wait_begin", "lock_wait_end"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf", "", &OpenSkeleton<lock_delay_bpf>, kPrograms},
};

}  // namespace

extern constexpr Unit kLockDelay = {
    .name = "lock_delay",
    .help = "Tasks that wait long for a lock of the kernel, and for whom.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
    .task = true,
};

}  // namespace huatuo
