#include "bpf/oom.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "bpf/oom.skel.h"
#include "collector/enrich/proc_text.h"
#include "collector/enrich/processes.h"
#include "collector/enrich/text.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/unit.h"

namespace huatuo {
namespace {

enum class Part { kId, kHostname };

v1::Value ContainerPart(const cgroup_ref& cgroup, Part part, Context& context) {
  const std::optional<v1::Container> container = context.FindContainer(cgroup);
  if (!container.has_value()) return Unknown();
  return TextValue(part == Part::kId ? container->id() : container->hostname());
}

// Hexadecimal as in HUATUO's documents, but of the cgroup's id: a kernel pointer identifies
// nothing.
v1::Value MemcgCss(const cgroup_ref& cgroup) {
  return cgroup.id == 0 ? Unknown() : TextValue(fmt::format("0x{:x}", cgroup.id));
}

template <Part kPart>
v1::Value Victim(const oom_event& event, Context& context) {
  return ContainerPart(event.victim_cgroup, kPart, context);
}
template <Part kPart>
v1::Value Trigger(const oom_event& event, Context& context) {
  return ContainerPart(event.header.cgroup, kPart, context);
}
v1::Value VictimCss(const oom_event& event, Context&) { return MemcgCss(event.victim_cgroup); }
v1::Value TriggerCss(const oom_event& event, Context&) { return MemcgCss(event.header.cgroup); }
v1::Value TriggerComm(const oom_event& event, Context&) { return ValueOf(event.header.comm); }
v1::Value TriggerPid(const oom_event& event, Context&) { return UintValue(event.header.tgid); }
v1::Value VictimComm(const oom_event& event, Context&) {
  return event.victim_comm[0] == '\0' ? Unknown() : ValueOf(event.victim_comm);
}

template <auto M>
v1::Value Bytes(const oom_event& event, Context&) {
  static const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t pages = event.*M;
  return pages == OOM_UNKNOWN_U64 ? Unknown() : UintValue(pages * page);
}

v1::Value ScoreAdj(const oom_event& event, Context&) {
  return event.oom_score_adj == OOM_UNKNOWN_S32 ? Unknown() : SintValue(event.oom_score_adj);
}

v1::Value Scope(const oom_event& event, Context&) {
  if (event.scope == OOM_SCOPE_MEMCG) return TextValue("memcg");
  return event.scope == OOM_SCOPE_GLOBAL ? TextValue("global") : Unknown();
}

template <size_t kCount>
v1::Value Word(const char* const (&words)[kCount], int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(kCount)) return Unknown();
  return TextValue(words[index]);
}

v1::Value Constraint(const oom_event& event, Context&) {
  static constexpr const char* kWords[] = {"none", "cpuset", "mempolicy", "memcg"};
  return Word(kWords, event.constraint);
}

v1::Value MechanismName(const oom_event& event, Context&) {
  static constexpr const char* kWords[] = {"fentry", "kprobe", "mark_victim"};
  return Word(kWords, event.mechanism);
}

constexpr auto kProcessFields =
    TableOf(F<&Process::pid>("pid", "Process."), F<&Process::comm>("comm", "Its command name."),
            F<&Process::rss_bytes>("rss_bytes", "Its resident memory."));

constexpr auto kFields = FieldsOf<oom_event>(
    Derived<&VictimComm>("victim_process_name", "Command name of the killed process.",
                         v1::Field::TEXT),
    F<&oom_event::victim_tgid>("victim_pid", "Process that the kernel chose to kill."),
    Derived<&Victim<Part::kHostname>>("victim_container_hostname",
                                      "Host name inside the victim's container.", v1::Field::TEXT),
    Derived<&Victim<Part::kId>>("victim_container_id", "Container of the killed process.",
                                v1::Field::TEXT),
    Derived<&VictimCss>("victim_memcg_css", "Id of the victim's memory cgroup.", v1::Field::TEXT),
    Derived<&TriggerComm>("trigger_process_name", "Command name of the task that hit the limit.",
                          v1::Field::TEXT),
    Derived<&TriggerPid>("trigger_pid", "Process of the task that hit the limit.", v1::Field::UINT),
    Derived<&Trigger<Part::kHostname>>(
        "trigger_container_hostname", "Host name inside the trigger's container.", v1::Field::TEXT),
    Derived<&Trigger<Part::kId>>("trigger_container_id", "Container of the trigger.",
                                 v1::Field::TEXT),
    Derived<&TriggerCss>("trigger_memcg_css", "Id of the trigger's memory cgroup.",
                         v1::Field::TEXT),
    Derived<&Scope>("scope", "memcg: a cgroup's limit; global: the whole machine.",
                    v1::Field::TEXT),
    Derived<&Bytes<&oom_event::limit_pages>>("limit_bytes", "Memory the exhausted domain may use.",
                                             v1::Field::UINT),
    Derived<&Bytes<&oom_event::usage_pages>>("usage_bytes", "Memory it used.", v1::Field::UINT),
    Derived<&Bytes<&oom_event::victim_rss_anon_pages>>(
        "victim_rss_anon_bytes", "Anonymous memory of the victim.", v1::Field::UINT),
    Derived<&Bytes<&oom_event::victim_rss_file_pages>>(
        "victim_rss_file_bytes", "File memory of the victim.", v1::Field::UINT),
    Derived<&ScoreAdj>("oom_score_adj", "Bias set on the victim, -1000 to 1000.", v1::Field::SINT),
    Derived<&Constraint>("constraint", "none, cpuset, mempolicy or memcg.", v1::Field::TEXT),
    Derived<&MechanismName>("mechanism", "How it was observed; decides what can be known.",
                            v1::Field::TEXT),
    F<&oom_event::killed_count>("killed_count", "Processes that this one trigger got killed."),
    Late("top_processes", "Largest processes of the exhausted domain.", v1::Field::LIST,
         kProcessFields),
    Late("memory_stat", "memory.stat of the exhausted cgroup.", v1::Field::MAP),
    Late("memory_events", "memory.events of the exhausted cgroup.", v1::Field::MAP),
    Late("meminfo", "/proc/meminfo of the host, in bytes.", v1::Field::MAP),
    Hidden<&oom_event::victim_cgroup>(), Hidden<&oom_event::memcg>(),
    Hidden<&oom_event::limit_pages>(), Hidden<&oom_event::usage_pages>(),
    Hidden<&oom_event::victim_rss_anon_pages>(), Hidden<&oom_event::victim_rss_file_pages>(),
    Hidden<&oom_event::oom_score_adj>(), Hidden<&oom_event::scope>(),
    Hidden<&oom_event::constraint>(), Hidden<&oom_event::mechanism>(),
    Hidden<&oom_event::victim_comm>());

// The domain that ran out; where the mechanism cannot tell, the victim's own cgroup.
cgroup_ref Domain(const oom_event& event) {
  if (event.memcg.id != 0) return event.memcg;
  if (event.scope == OOM_SCOPE_GLOBAL) return {};
  return event.victim_cgroup.id != 0 ? event.victim_cgroup : event.header.cgroup;
}

void SetFile(Completion& completion, std::string_view field, const std::string& path) {
  const absl::StatusOr<std::string> text = completion.root().Read(path);
  if (text.ok()) completion.Set(field, KeyValues(*text));
}

uint64_t KnownBytes(uint64_t pages) {
  static const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return pages == OOM_UNKNOWN_U64 ? 0 : pages * page;
}

// By the time that procfs is read the victim has lost its memory, or is gone: its place in the list
// is by what the kernel saw when it chose it.
std::vector<Process> WithVictim(const oom_event& event, ProcessList list, size_t count) {
  std::vector<Process> top = std::move(list.top);
  const std::string_view comm(event.victim_comm, strnlen(event.victim_comm, EVENT_COMM_LEN));
  Process victim{static_cast<pid_t>(event.victim_tgid), SafeText(comm),
                 KnownBytes(event.victim_rss_anon_pages) + KnownBytes(event.victim_rss_file_pages)};
  if (victim.rss_bytes == 0) return top;
  std::erase_if(top, [&](const Process& process) {
    if (process.pid == victim.pid) victim.rss_bytes = std::max(victim.rss_bytes, process.rss_bytes);
    return process.pid == victim.pid;
  });
  const auto place = std::find_if(top.begin(), top.end(), [&](const Process& process) {
    return process.rss_bytes < victim.rss_bytes;
  });
  top.insert(place, std::move(victim));
  top.resize(std::min(top.size(), count));
  return top;
}

void Snapshot(const void* record, Completion& completion) {
  const auto& event = *static_cast<const oom_event*>(record);
  const cgroup_ref domain = Domain(event);
  const std::string folder = domain.id == 0 ? "" : completion.context().CgroupFolder(domain);
  SetFile(completion, "meminfo", "/proc/meminfo");
  if (domain.id != 0 && folder.empty()) return;  // the cgroup is gone: it stays incomplete
  if (!folder.empty()) {
    SetFile(completion, "memory_stat", folder + "/memory.stat");
    const bool v2 = completion.root().Read(folder + "/memory.events").ok();
    SetFile(completion, "memory_events", folder + (v2 ? "/memory.events" : "/memory.oom_control"));
  } else {
    completion.Set("memory_stat", Unknown());
    completion.Set("memory_events", Unknown());
  }
  constexpr size_t kTop = 10;
  ProcessList top = folder.empty()
                        ? TopProcesses(completion.root(), kTop, completion.deadline())
                        : TopProcessesOf(completion.root(), folder, kTop, completion.deadline());
  if (!top.complete) return;
  completion.Set("top_processes", ListValue(WithVictim(event, std::move(top), kTop), kProcessFields,
                                            completion.context()));
}

// mark_victim speaks for every member of a memory.oom.group and for victims that exit anyway.
bool Fold(void* first, const void* next) {
  auto& into = *static_cast<oom_event*>(first);
  const auto& from = *static_cast<const oom_event*>(next);
  if (into.mechanism != OOM_BY_MARK_VICTIM || into.header.tid != from.header.tid) return false;
  if (into.victim_cgroup.id != from.victim_cgroup.id) return false;
  into.killed_count += from.killed_count;
  return true;
}

constexpr SubjectSource kSubjects[] = {
    {"", [](const void* r) { return static_cast<const oom_event*>(r)->victim_cgroup; }},
    {"trigger", [](const void* r) { return static_cast<const event_header*>(r)->cgroup; }},
};

constexpr EventType kEvents[] = {{
    .name = "oom",
    .help = "The kernel killed a process because a memory domain was exhausted.",
    .fields = kFields,
    .record_bytes = sizeof(oom_event),
    .subjects = kSubjects,
    .complete = &Snapshot,
    .fold_window = std::chrono::milliseconds(10),
    .fold = &Fold,
}};

// An OOM storm in one cgroup kills a few processes a second; the limit leaves room and still bounds
// a fork bomb.
constexpr Parameter kParameters[] = {kLimitPerSecond};

constexpr std::string_view kFentry[] = {"oom_fentry"};
constexpr std::string_view kKprobe[] = {"oom_kprobe"};
constexpr std::string_view kMarkVictim[] = {"oom_mark_victim"};
constexpr Mechanism kMechanisms[] = {
    {"fentry", "", &OpenSkeleton<oom_bpf>, kFentry},
    {"kprobe", "", &OpenSkeleton<oom_bpf>, kKprobe},
    {"mark_victim", "scope, limit_bytes, usage_bytes and constraint", &OpenSkeleton<oom_bpf>,
     kMarkVictim},
};

}  // namespace

extern constexpr Unit kOom = {
    .name = "oom",
    .help = "Kills by the kernel's out-of-memory killer, in a memory cgroup or of the machine.",
    .events = kEvents,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 3,
    .task = true,
};

}  // namespace huatuo
