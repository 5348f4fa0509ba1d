#include "bpf/tcp_retransmit.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <numeric>

#include "bpf/tcp_retransmit.skel.h"
#include "collector/kernel/packet_drops.h"
#include "collector/kernel/packet_text.h"
#include "collector/kernel/skeleton_instance.h"
#include "collector/unit.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::string_view kReasons[] = {"rto", "fast", "tlp", "syn", "synack"};
static_assert(std::size(kReasons) == RETRANSMIT_REASONS);

// ---- the event

v1::Value Word(std::span<const std::string_view> words, size_t index) {
  return index < words.size() ? TextValue(words[index]) : Unknown();
}

v1::Value Saddr(const tcp_retransmit_event& e, Context&) {
  return TextValue(AddressText(e.version, e.flow.saddr));
}
v1::Value Daddr(const tcp_retransmit_event& e, Context&) {
  return TextValue(AddressText(e.version, e.flow.daddr));
}
v1::Value Sport(const tcp_retransmit_event& e, Context&) { return UintValue(e.flow.sport); }
v1::Value Dport(const tcp_retransmit_event& e, Context&) { return UintValue(e.flow.dport); }

v1::Value State(const tcp_retransmit_event& event, Context&) {
  const std::string_view name = TcpStateName(event.state);
  return name.empty() ? Unknown() : TextValue(name);
}

v1::Value CaState(const tcp_retransmit_event& event, Context&) {
  static constexpr std::string_view kNames[] = {"Open", "Disorder", "CWR", "Recovery", "Loss"};
  return event.reason == RETRANSMIT_SYNACK ? Unknown() : Word(kNames, event.ca_state);
}

v1::Value Reason(const tcp_retransmit_event& event, Context&) {
  return Word(kReasons, event.reason);
}

v1::Value Fate(const tcp_retransmit_event& event, Context&) {
  static constexpr std::string_view kNames[] = {"unknown", "yes", "no"};
  static_assert(std::size(kNames) == PACKET_FATES);
  return Word(kNames, event.fate);
}

v1::Value DropReason(const tcp_retransmit_event& event, Context&) {
  return event.drop_reason[0] == '\0' ? Unknown() : ValueOf(event.drop_reason);
}

v1::Value DropLocation(const tcp_retransmit_event& event, Context& context) {
  if (event.drop_location == 0) return Unknown();
  const v1::Frame frame = context.Symbolize(event.drop_location);
  if (frame.symbol().empty()) return TextValue(fmt::format("0x{:x}", event.drop_location));
  return TextValue(fmt::format("{}+0x{:x}", frame.symbol(), frame.offset()));
}

v1::Value NetnsInum(const tcp_retransmit_event& event, Context&) {
  return event.netns_inum == 0 ? Unknown() : UintValue(event.netns_inum);
}

v1::Value NetnsCookie(const tcp_retransmit_event& event, Context&) {
  return event.netns_cookie == 0 ? Unknown() : UintValue(event.netns_cookie);
}

constexpr auto kUint = v1::Field::UINT;
constexpr auto kText = v1::Field::TEXT;

constexpr auto kFields = FieldsOf<tcp_retransmit_event>(
    Derived<&Saddr>("saddr", "Source address, IPv4 or IPv6.", kText),
    Derived<&Daddr>("daddr", "Destination address.", kText),
    Derived<&Sport>("sport", "Source port.", kUint),
    Derived<&Dport>("dport", "Destination port.", kUint),
    Derived<&State>("state", "State of the connection, as ESTABLISHED.", kText),
    Derived<&CaState>(
        "ca_state", "State of its congestion control: Open, Disorder, CWR, Recovery, Loss.", kText),
    F<&tcp_retransmit_event::seq>("seq", "TCP sequence number of the segment."),
    F<&tcp_retransmit_event::length>("length", "Sequence numbers in it: bytes, SYN, FIN."),
    F<&tcp_retransmit_event::retransmits>("retransmits",
                                          "Timeouts in a row without an acknowledgement."),
    Derived<&Reason>("reason",
                     "rto: the timer ran out; fast: acknowledgements show a hole; tlp: a probe of "
                     "the tail; syn, synack: of the handshake.",
                     kText),
    Derived<&Fate>("drop_correlated",
                   "yes: dropwatch saw this segment dropped on this host; no: it did not; unknown: "
                   "it was not looking, or had to forget.",
                   kText),
    Derived<&DropReason>("drop_reason", "The kernel's own reason for that drop.", kText),
    Derived<&DropLocation>("drop_location", "Function that gave the segment up.", kText),
    Derived<&NetnsInum>("netns_inum", "Inode of the socket's network namespace.", kUint),
    Derived<&NetnsCookie>("netns_cookie", "Cookie of the network namespace, never used twice.",
                          v1::Field::ID),
    Hidden<&tcp_retransmit_event::netns_cookie>(), Hidden<&tcp_retransmit_event::flow>(),
    Hidden<&tcp_retransmit_event::netns_inum>(), Hidden<&tcp_retransmit_event::version>(),
    Hidden<&tcp_retransmit_event::state>(), Hidden<&tcp_retransmit_event::ca_state>(),
    Hidden<&tcp_retransmit_event::reason>(), Hidden<&tcp_retransmit_event::fate>(),
    Hidden<&tcp_retransmit_event::reserved>(), Hidden<&tcp_retransmit_event::drop_location>(),
    Hidden<&tcp_retransmit_event::drop_reason>());

constexpr std::string_view kSame[] = {"saddr", "daddr",  "sport",           "dport",
                                      "state", "reason", "drop_correlated", "drop_location"};

constexpr EventType kEvents[] = {{
    .name = "tcp_retransmit",
    .help = "A TCP segment was sent again. The task is the one that ran, often an interrupted one; "
            "the container is that of the socket or of its network namespace.",
    .fields = kFields,
    .record_bytes = sizeof(tcp_retransmit_event),
    .same = kSame,
}};

// ---- metrics and life

struct Silence {
  uint32_t slot;
  std::string_view cause;
};
constexpr Silence kSilences[] = {{RETRANSMIT_SILENT_OWN, "own_connection"},
                                 {RETRANSMIT_SILENT_FILTERED, "filtered"}};

enum Metric : size_t { kRetransmits, kUnreported };

constexpr std::string_view kReasonLabel[] = {"reason"};
constexpr std::string_view kCauseLabel[] = {"cause"};
constexpr MetricType kMetrics[] = {
    {.name = "huatuo_node_tcp_retransmits_total",
     .help = "TCP segments sent again in any network namespace, by what made the kernel do it.",
     .type = v1::MetricType::COUNTER,
     .labels = kReasonLabel},
    {.name = "huatuo_node_unreported_retransmits_total",
     .help = "Of them, those that made no event: own_connection (to or from the apiserver), "
             "filtered.",
     .type = v1::MetricType::COUNTER,
     .labels = kCauseLabel},
};

class RetransmitProbe : public SkeletonInstance {
 public:
  using SkeletonInstance::SkeletonInstance;

  void Collect(MetricWriter& writer) override {
    for (uint32_t reason = 0; reason < RETRANSMIT_REASONS; ++reason) {
      Write(writer, kRetransmits, kReasons[reason], reason);
    }
    for (const Silence& silence : kSilences) {
      Write(writer, kUnreported, silence.cause, silence.slot);
    }
  }

 private:
  void Write(MetricWriter& writer, Metric metric, std::string_view label, uint32_t slot) const {
    std::vector<uint64_t> cpus(PossibleCpus());
    if (bpf_map_lookup_elem(object().MapFd("retransmits"), &slot, cpus.data()) != 0) return;
    const std::string_view labels[] = {label};
    const uint64_t sum = std::accumulate(cpus.begin(), cpus.end(), uint64_t{0});
    writer.Set(metric, labels, nullptr, static_cast<double>(sum));
  }
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  ASSIGN_OR_RETURN(std::unique_ptr<BpfObject> object,
                   PrepareObject(Elf<tcp_retransmit_bpf>(), request, resources));
  RETURN_IF_ERROR(object->SetConstant("server_port", resources.server_port));
  if (resources.packet_drops != nullptr) {
    RETURN_IF_ERROR(resources.packet_drops->ShareWith(*object));
  }
  RETURN_IF_ERROR(object->Load());
  auto probe = std::make_unique<RetransmitProbe>(std::move(object), request, resources.context);
  RETURN_IF_ERROR(probe->Start());
  return probe;
}

constexpr Parameter kParameters[] = {
    kLimitPerSecond,
    {.name = "quiet_port",
     .help = "TCP port whose connections make no event, lest the readers of events cause them: "
             "the apiserver's HTTP port. Its gRPC port is known. 0: none.",
     .unit = "",
     .default_value = 12740,
     .minimum = 0,
     .maximum = 65535},
};

constexpr std::string_view kTyped[] = {"retransmit_skb_btf", "retransmit_synack_btf"};
constexpr std::string_view kRaw[] = {"retransmit_skb_raw", "retransmit_synack_raw"};
constexpr Mechanism kMechanisms[] = {
    {"tp_btf", "", &Open, kTyped},
    {"raw_tp", "", &Open, kRaw},
};

constexpr MetricSource kSources[] = {
    {"", "tcp_retransmit_skb, tcp_retransmit_synack"},
};

}  // namespace

extern constexpr Unit kTcpRetransmit = {
    .name = "tcp_retransmit",
    .help = "TCP segments that were sent again: whose, why, and whether they were dropped here.",
    .events = kEvents,
    .metrics = kMetrics,
    .sources = kSources,
    .parameters = kParameters,
    .mechanisms = kMechanisms,
    .shed_order = 2,
    .task = true,
};

}  // namespace huatuo
