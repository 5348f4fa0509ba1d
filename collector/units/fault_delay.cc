#include "bpf/fault_delay.h"

#include <fmt/format.h>

#include "bpf/fault_delay.skel.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

v1::Value From(const fault_delay_event& event, Context&) {
  static constexpr std::string_view kNames[] = {"file", "swap", "shmem"};
  static_assert(std::size(kNames) == FAULT_SOURCES);
  return event.source < std::size(kNames) ? TextValue(kNames[event.source]) : Unknown();
}

v1::Value File(const fault_delay_event& event, Context&) {
  return event.source == FAULT_SWAP ? Unknown() : ValueOf(event.file);
}
v1::Value Inode(const fault_delay_event& event, Context&) {
  return event.source == FAULT_SWAP ? Unknown() : UintValue(event.inode);
}
v1::Value Page(const fault_delay_event& event, Context&) {
  return event.source == FAULT_SWAP ? Unknown() : UintValue(event.page);
}

// MINORBITS of linux/kdev_t.h.
v1::Value Device(const fault_delay_event& event, Context&) {
  if (event.source == FAULT_SWAP) return Unknown();
  return TextValue(fmt::format("{}:{}", event.device >> 20, event.device & ((1U << 20) - 1)));
}

v1::Value Stack(const fault_delay_event& event, Context& context) {
  return StackValue(event.stack, 0, context);
}

constexpr auto kText = v1::Field::TEXT;

constexpr auto kFields = FieldsOf<fault_delay_event>(
    F<&fault_delay_event::delay_ns>("delay_ns", "How long the task waited for the page."),
    F<&fault_delay_event::threshold_ns>("threshold_ns", "The threshold in force."),
    Derived<&From>("from",
                   "Where the page came from: file, swap, or shmem: shared memory, out of swap or "
                   "when none was free.",
                   kText),
    Derived<&File>("file", "Name of the file, without its folder; null for swap.", kText),
    Derived<&Device>("device", "MAJOR:MINOR of its file system, as in /proc/self/mountinfo.",
                     kText),
    Derived<&Inode>("inode", "Its inode.", v1::Field::UINT),
    Derived<&Page>("page", "Which page of the file, from 0.", v1::Field::UINT),
    Derived<&Stack>("stack", "Kernel stack of the task.", v1::Field::STACK),
    Hidden<&fault_delay_event::stack>(), Hidden<&fault_delay_event::inode>(),
    Hidden<&fault_delay_event::page>(), Hidden<&fault_delay_event::device>(),
    Hidden<&fault_delay_event::source>(), Hidden<&fault_delay_event::file>());

constexpr SubjectSource kSubjects[] = {
    {"", [](const void* r) { return static_cast<const fault_delay_event*>(r)->header.cgroup; }},
};

constexpr EventType kEvents[] = {{
    .name = "fault_delay",
    .help = "A task waited long for a page of its memory to come from a file or from swap.",
    .fields = kFields,
    .record_bytes = sizeof(fault_delay_event),
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

constexpr std::string_view kFentry[] = {"fault_file_fentry",  "fault_file_fexit",
                                        "fault_shmem_fentry", "fault_shmem_fexit",
                                        "fault_swap_fentry",  "fault_swap_fexit"};
constexpr std::string_view kKprobe[] = {"fault_file_kprobe",  "fault_file_kretprobe",
                                        "fault_shmem_kprobe", "fault_shmem_kretprobe",
                                        "fault_swap_kprobe",  "fault_swap_kretprobe"};
constexpr Mechanism kMechanisms[] = {
    {"fentry", "", &OpenSkeleton<fault_delay_bpf>, kFentry},
    {"kprobe", "", &OpenSkeleton<fault_delay_bpf>, kKprobe},
};

}  // namespace

extern constexpr Unit kFaultDelay = {
    .name = "fault_delay",
    .help = "Tasks that wait long for a page of their memory.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
    .task = true,
};

}  // namespace huatuo
