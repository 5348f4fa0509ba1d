#include "bpf/dropwatch.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "bpf/dropwatch.skel.h"
#include "collector/units/dropwatch_filter.h"
#include "test/bpf/own_network.h"

namespace huatuo {
namespace {

constexpr int kUdp4 = 3;
constexpr int kUdp6 = 2;
constexpr int kTcp4 = 5;

struct CloseSkeleton {
  void operator()(dropwatch_bpf* skeleton) const { dropwatch_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<dropwatch_bpf, CloseSkeleton>;

// Null where the program cannot be loaded.
Skeleton Open(const char* program, const drop_filter& filter) {
  Skeleton skeleton(dropwatch_bpf__open());
  bpf_program* each = nullptr;
  bpf_object__for_each_program(each, skeleton->obj) {
    bpf_program__set_autoload(each, strcmp(bpf_program__name(each), program) == 0);
  }
  std::memcpy(&skeleton->data->filters[0], &filter, sizeof(filter));
  skeleton->rodata->unit_id = 7;
  skeleton->rodata->instance_id = 3;
  if (dropwatch_bpf__load(skeleton.get()) == 0) return skeleton;
  fmt::print("skipped: {}: not on this kernel\n", program);
  return nullptr;
}

int Collect(void* records, void* record, size_t size) {
  dropwatch_event event{};
  std::memcpy(&event, record, std::min(size, sizeof(event)));
  static_cast<std::vector<dropwatch_event>*>(records)->push_back(event);
  return 0;
}

std::vector<dropwatch_event> Records(const dropwatch_bpf* skeleton) {
  std::vector<dropwatch_event> events;
  ring_buffer* ring =
      ring_buffer__new(bpf_map__fd(skeleton->maps.events), Collect, &events, nullptr);
  ring_buffer__consume(ring);
  ring_buffer__free(ring);
  return events;
}

template <typename T>
std::vector<T> PerCpu(const bpf_map* map, uint32_t index) {
  std::vector<T> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  bpf_map__lookup_elem(map, &index, sizeof(index), cpus.data(), cpus.size() * sizeof(T), 0);
  return cpus;
}

emit_counters Counters(const dropwatch_bpf* skeleton) {
  emit_counters sum{};
  for (const auto& cpu : PerCpu<emit_counters>(skeleton->maps.counters, 0)) {
    sum.emitted += cpu.emitted;
    sum.refused += cpu.refused;
    sum.ring_full += cpu.ring_full;
  }
  return sum;
}

uint64_t Drops(const dropwatch_bpf* skeleton, uint32_t first, uint32_t end) {
  uint64_t sum = 0;
  for (uint32_t slot = first; slot < end; ++slot) {
    for (const uint64_t cpu : PerCpu<uint64_t>(skeleton->maps.drops, slot)) sum += cpu;
  }
  return sum;
}

// Every drop of the machine has exactly one fate.
bool Accounted(const dropwatch_bpf* skeleton) {
  const emit_counters sum = Counters(skeleton);
  return Drops(skeleton, 0, DROP_REASON_SLOTS) ==
         sum.emitted + sum.refused + sum.ring_full +
             Drops(skeleton, DROP_SILENT_NORMAL, DROP_SLOTS);
}

// What a test sees of the drops of its own network.
struct Seen {
  std::vector<dropwatch_event> events;
  emit_counters counters{};
  bool accounted = false;
};

// Runs `workload` in a network of its own, seen through `filter_text`; nullopt where that cannot
// be.
template <typename Workload>
std::optional<Seen> Watch(const char* program, const std::string& filter_text, uint64_t limit,
                          Workload workload) {
  std::optional<Seen> seen;
  std::thread([&] {
    const uint32_t inode = EnterOwnNetwork();
    const std::string text =
        fmt::format("{}{}netns {}", filter_text, filter_text.empty() ? "" : " and ", inode);
    const auto filter = MakeDropFilter(text, DropReasons::OfThisKernel());
    const Skeleton skeleton = inode == 0 || !filter.ok() ? nullptr : Open(program, *filter);
    if (skeleton == nullptr) return;
    skeleton->data->limit_per_second = limit;
    if (dropwatch_bpf__attach(skeleton.get()) != 0) return;
    workload();
    dropwatch_bpf__detach(skeleton.get());
    seen = Seen{Records(skeleton.get()), Counters(skeleton.get()), Accounted(skeleton.get())};
  }).join();
  if (!seen.has_value()) fmt::print("skipped: no program or no network of its own\n");
  return seen;
}

// "udp4 3 tcp4 5", in the order of first appearance.
std::string Print(const std::vector<dropwatch_event>& events) {
  std::map<std::string, int> counts;
  for (const dropwatch_event& event : events) {
    ++counts[fmt::format("{}{}", event.packet.protocol == 6 ? "tcp" : "udp", event.packet.version)];
  }
  std::string text;
  for (const auto& [name, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : " ", name, count);
  }
  return text;
}

void Mixture() {
  Send(AF_INET, SOCK_DGRAM, kUdp4);
  Send(AF_INET6, SOCK_DGRAM, kUdp6);
  Send(AF_INET, SOCK_STREAM, kTcp4);
}

std::string Through(const std::string& filter_text) {
  const std::optional<Seen> seen = Watch("kfree_skb_btf", filter_text, 1000, Mixture);
  if (!seen.has_value()) return "";
  CHECK(seen->accounted);
  return Print(seen->events);
}

}  // namespace

TEST_CASE("[host] a packet that no socket wants is told with all that it carries") {
  for (const char* program : {"kfree_skb_btf", "kfree_skb_raw"}) {
    const std::optional<Seen> seen = Watch(program, "ip6", 1000, Mixture);
    if (!seen.has_value()) continue;
    REQUIRE(Print(seen->events) == "udp6 2");
    const dropwatch_event& event = seen->events[0];
    CHECK(fmt::format("unit {} instance {} size {} of {} to port {} length {} has {} lo {}",
                      event.header.unit, event.header.instance, event.header.size,
                      sizeof(dropwatch_event), event.packet.dport, event.packet.length,
                      event.packet.has, std::string(event.netdev)) ==
          fmt::format("unit 7 instance 3 size {} of {} to port 9 length 49 has 3 lo lo",
                      sizeof(dropwatch_event), sizeof(dropwatch_event)));
    CHECK(event.header.cgroup.id == event.netns_inum);
    CHECK(event.header.cgroup.hierarchy == EVENT_NETNS);
    const auto* frames = event.stack.frame;
    CHECK(std::find(frames, frames + EVENT_STACK_FRAMES, event.location) !=
          frames + EVENT_STACK_FRAMES);
    fmt::print("{}: ok\n", program);
  }
}

TEST_CASE("[host] each term of a filter lets through what it names, and nothing else") {
  const std::string all = Through("");
  if (all.empty()) return;
  CHECK(all == "tcp4 5 udp4 3 udp6 2");
  CHECK(Through("udp") == "udp4 3 udp6 2");
  CHECK(Through("proto 6") == "tcp4 5");
  CHECK(Through("icmp") == "");
  CHECK(Through("ip6") == "udp6 2");
  CHECK(Through("ip and udp") == "udp4 3");
  CHECK(Through("dst port 9") == all);
  CHECK(Through("port 9") == all);
  CHECK(Through("src port 9") == "");
  CHECK(Through("dst port 10") == "");
  CHECK(Through("net 127.0.0.0/8") == "tcp4 5 udp4 3");
  CHECK(Through("dst host ::1") == "udp6 2");
  CHECK(Through("src net 128.0.0.0/1") == "");
  CHECK(Through("net 0.0.0.0/0") == "tcp4 5 udp4 3");
  CHECK(Through("dev lo") == all);
  CHECK(Through("dev lo0") == "");
  if (DropReasons::OfThisKernel().names().empty()) return;
  CHECK(Through("reason NO_SOCKET") == all);
  CHECK(Through("reason NETFILTER_DROP") == "");
}

TEST_CASE("[host] refused and delivered are what was provoked") {
  constexpr int kStorm = 1009;
  const auto storm = [] { Send(AF_INET, SOCK_DGRAM, kStorm); };
  const std::optional<Seen> limited = Watch("kfree_skb_btf", "", 10, storm);
  if (!limited.has_value()) return;
  CHECK(limited->accounted);
  CHECK(limited->counters.emitted + limited->counters.refused == kStorm);
  CHECK(limited->counters.emitted >= 10);
  CHECK(limited->counters.ring_full == 0);
  CHECK(limited->events.size() == limited->counters.emitted);
  // The object's own ring has 64 KiB.
  const std::optional<Seen> full = Watch("kfree_skb_btf", "", 1000000, storm);
  REQUIRE(full.has_value());
  CHECK(full->counters.emitted + full->counters.ring_full == kStorm);
  CHECK(full->counters.ring_full > 0);
  CHECK(full->events.size() == full->counters.emitted);
}

}  // namespace huatuo
