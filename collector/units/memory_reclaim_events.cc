#include "bpf/memory_reclaim_events.h"

#include <fmt/format.h>

#include "bpf/memory_reclaim_events.skel.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

v1::Value Scope(const memory_reclaim_event& event, Context&) {
  return TextValue(event.scope == RECLAIM_MEMCG ? "memcg" : "global");
}

v1::Value GfpFlags(const memory_reclaim_event& event, Context&) {
  return TextValue(fmt::format("0x{:x}", event.gfp_flags));
}

v1::Value Stack(const memory_reclaim_event& event, Context& context) {
  return StackValue(event.stack, 0, context);
}

constexpr auto kFields = FieldsOf<memory_reclaim_event>(
    F<&memory_reclaim_event::reclaim_ns>("deltatime",
                                         "Time that the task spent in direct reclaim, in ns."),
    F<&memory_reclaim_event::elapsed_ns>("elapsed_ns",
                                         "In which time: since its first reclaim of this window."),
    F<&memory_reclaim_event::reclaims>("reclaims", "How many reclaims that were."),
    F<&memory_reclaim_event::nr_reclaimed>("nr_reclaimed", "Pages that they freed."),
    Derived<&Scope>("scope", "Of the last one. memcg: a cgroup's limit; global: the whole machine.",
                    v1::Field::TEXT),
    F<&memory_reclaim_event::order>("order", "What it was for: 2^order pages."),
    Derived<&GfpFlags>("gfp_flags", "How they were asked for, as this kernel numbers the flags.",
                       v1::Field::TEXT),
    Derived<&Stack>("stack", "Kernel stack of the last reclaim.", v1::Field::STACK),
    Hidden<&memory_reclaim_event::stack>(), Hidden<&memory_reclaim_event::scope>(),
    Hidden<&memory_reclaim_event::gfp_flags>());

constexpr EventType kEvents[] = {{
    .name = "memory_reclaim_events",
    .help = "A task spent most of its time freeing memory that it was about to use.",
    .fields = kFields,
    .record_bytes = sizeof(memory_reclaim_event),
}};

constexpr uint64_t kHourNs = 3'600'000'000'000;

constexpr Parameter kParameters[] = {
    {.name = "threshold_ns",
     .help = "More time than this in direct reclaim, within a window, is an event.",
     .unit = "ns",
     .default_value = 900'000'000,
     .minimum = 1'000'000,
     .maximum = kHourNs},
    {.name = "window_ns",
     .help = "Length of a window; it begins with a task's first reclaim.",
     .unit = "ns",
     .default_value = 1'000'000'000,
     .minimum = 1'000'000,
     .maximum = kHourNs},
    kLimitPerSecond,
};

constexpr std::string_view kPrograms[] = {"reclaim_global_begin", "reclaim_global_end",
                                          "reclaim_memcg_begin", "reclaim_memcg_end"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf", "", &OpenSkeleton<memory_reclaim_events_bpf>, kPrograms},
};

}  // namespace

extern constexpr Unit kMemoryReclaimEvents = {
    .name = "memory_reclaim_events",
    .help = "Tasks that stall because they have to free memory themselves.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
    .task = true,
};

}  // namespace huatuo
