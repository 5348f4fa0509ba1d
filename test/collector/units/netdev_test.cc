#include <linux/gen_stats.h>
#include <linux/if.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "collector/procfs/netlink.h"
#include "collector/units/netdev_links.h"
#include "test/bpf/cgroup_folder.h"
#include "test/collector/fake_context.h"
#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kNetdev;

namespace {

// A message as the kernel lays it out.
class Message {
 public:
  template <typename Head>
  Message(uint16_t type, const Head& head) {
    bytes_.resize(NLMSG_LENGTH(sizeof(head)));
    header()->nlmsg_type = type;
    std::memcpy(NLMSG_DATA(header()), &head, sizeof(head));
    Pad();
  }
  void Add(uint16_t type, const void* data, size_t size) {
    const rtattr attribute{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    Append(&attribute, sizeof(attribute));
    Append(data, size);
    Pad();
  }
  template <typename T>
  void Add(uint16_t type, const T& value) {
    Add(type, &value, sizeof(value));
  }
  void Cut(size_t bytes) { bytes_.resize(bytes_.size() - bytes); }
  const nlmsghdr& get() {
    header()->nlmsg_len = static_cast<uint32_t>(bytes_.size());
    return *header();
  }
  const std::vector<char>& bytes() const { return bytes_; }

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  void Append(const void* data, size_t size) {
    const auto* begin = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }
  void Pad() { bytes_.resize(NLMSG_ALIGN(bytes_.size())); }
  std::vector<char> bytes_;
};

Message LinkMessage(const std::string& name) {
  ifinfomsg head{};
  head.ifi_index = 7;
  head.ifi_flags = IFF_UP | IFF_RUNNING;
  Message message(RTM_NEWLINK, head);
  message.Add(IFLA_IFNAME, name.c_str(), name.size() + 1);
  message.Add(IFLA_CARRIER_CHANGES, uint32_t{3});
  return message;
}

std::string Print(const std::optional<Link>& link) {
  if (!link) return "none";
  std::string text = fmt::format("{} {} {} {}:", link->index, link->name(), link->up,
                                 link->carrier_changes.value_or(99));
  for (size_t i = 0; i < link->count; ++i) text += fmt::format(" {}", link->counts[i]);
  return text;
}

TEST_CASE("a link with the counts that its kernel has") {
  Message message = LinkMessage("a\"b \xff");
  const uint64_t counts[] = {1, 2, 3, 18446744073709551615ULL};
  message.Add(IFLA_STATS64, counts);
  CHECK(Print(ParseLink(message.get())) == "7 a\"b \xff true 3: 1 2 3 18446744073709551615");
  const uint64_t more[40] = {5};
  Message newer = LinkMessage("eth0");
  newer.Add(IFLA_STATS64, more);
  CHECK(ParseLink(newer.get())->count == 25);
  CHECK(Print(ParseLink(LinkMessage("").get())) == "none");
  CHECK(Print(ParseLink(LinkMessage("a-name-without-an-end").get())) ==
        "7 a-name-without-a true 3:");
}

TEST_CASE("a message that was cut tells what is whole of it") {
  Message message = LinkMessage("eth0");
  const uint64_t counts[] = {1, 2, 3};
  message.Add(IFLA_STATS64, counts);
  std::string text;
  while (message.bytes().size() > sizeof(nlmsghdr)) {
    message.Cut(4);
    text = Print(ParseLink(message.get()));
    CHECK((text == "none" || text == "7 eth0 true 3:" || text == "7 eth0 true 99:"));
  }
  CHECK(text == "none");
}

TEST_CASE("a queue: packets of 64 bits where 32 were not enough") {
  Message stats(0, uint32_t{0});
  gnet_stats_basic basic{1000, 10};
  gnet_stats_queue queue{.qlen = 1, .backlog = 2, .drops = 3, .requeues = 4, .overlimits = 5};
  Message nest(0, nlmsghdr{});
  nest.Add(TCA_STATS_BASIC, basic);
  nest.Add(TCA_STATS_PKT64, uint64_t{1} << 33);
  nest.Add(TCA_STATS_QUEUE, queue);
  tcmsg head{};
  head.tcm_ifindex = 7;
  head.tcm_handle = 0x80010000;
  Message message(RTM_NEWQDISC, head);
  message.Add(TCA_KIND, "fq_codel", 9);
  const size_t skip = NLMSG_LENGTH(sizeof(nlmsghdr));
  message.Add(TCA_STATS2, nest.bytes().data() + skip, nest.bytes().size() - skip);
  const auto qdisc = ParseQdisc(message.get());
  REQUIRE(qdisc.has_value());
  CHECK(fmt::format("{} {:x} {} {} {} {} {} {} {} {}", qdisc->link, qdisc->handle, qdisc->kind(),
                    qdisc->bytes, qdisc->packets, qdisc->drops, qdisc->requeues, qdisc->overlimits,
                    qdisc->backlog_bytes,
                    qdisc->queue_length) == "7 80010000 fq_codel 1000 8589934592 3 4 5 2 1");
  CHECK_FALSE(ParseQdisc(LinkMessage("eth0").get()).has_value());
}

TEST_CASE("this machine's loopback is up, and its bytes are those of /proc/net/dev") {
  UnitBench bench(kNetdev, "v2-systemd-containerd");
  const auto lo = [] {
    const std::string text = Root().Read("/proc/net/dev").value_or("");
    return std::stoull(text.substr(text.find("lo:") + 3));
  };
  // It may carry something meanwhile.
  std::string bytes;
  for (int i = 0; i < 100 && bytes.empty(); ++i) {
    const uint64_t before = lo();
    const MetricLines round = bench.Round();
    CHECK(round.With("netdev_up lo") == "huatuo_node_netdev_up lo 1\n");
    const std::string line = round.With("node_netdev_rx_bytes_total lo ");
    if (lo() == before) bytes = line;
    if (!bytes.empty()) {
      CHECK(bytes == fmt::format("huatuo_node_netdev_rx_bytes_total lo {:.6g}\n",
                                 static_cast<double>(before)));
    }
  }
  CHECK_FALSE(bytes.empty());
  CHECK(bench.losses.Text().empty());
}

// A process in a network of its own, with a device in it.
class Elsewhere {
 public:
  Elsewhere() {
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      const bool made = unshare(CLONE_NEWNET) == 0 &&
                        std::system("ip link add inside0 type veth peer name inside1 2>&1") == 0;
      if (write(ready[1], made ? "y" : "n", 1) == 1) pause();
      _exit(0);
    }
    char answer = 'n';
    made_ = read(ready[0], &answer, 1) == 1 && answer == 'y';
    close(ready[0]);
    close(ready[1]);
  }
  ~Elsewhere() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Elsewhere(const Elsewhere&) = delete;
  Elsewhere& operator=(const Elsewhere&) = delete;
  bool made() const { return made_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  bool made_ = false;
};

TEST_CASE("[host] a container's devices are seen from outside, and we come back") {
  const Elsewhere elsewhere;
  if (!elsewhere.made()) {
    fmt::print("skipped: no network namespace with a veth pair here\n");
    return;
  }
  char before[64] = {};
  char after[64] = {};
  REQUIRE(readlink("/proc/thread-self/ns/net", before, sizeof(before) - 1) > 0);
  auto inside = Netlink::OpenIn(fmt::format("/proc/{}", elsewhere.pid()));
  REQUIRE(inside.ok());
  REQUIRE(readlink("/proc/thread-self/ns/net", after, sizeof(after) - 1) > 0);
  CHECK(std::string(before) == after);
  std::vector<std::byte> room;
  std::string names;
  CHECK(inside
            ->Dump(RTM_GETLINK, room,
                   [&](const nlmsghdr& message) {
                     if (const auto link = ParseLink(message))
                       names += std::string(link->name()) + " ";
                   })
            .ok());
  CHECK(names.find("inside0 ") != std::string::npos);
  CHECK(absl::IsNotFound(Netlink::OpenIn("/proc/4194999").status()));
}

TEST_CASE("[host] the devices of a container are told with it") {
  const CgroupFolder cgroup("cpu", "huatuo-netdev-test");
  const Elsewhere elsewhere;  // ends first: the cgroup has to be empty
  if (!elsewhere.made() || !cgroup.ok() || !cgroup.Add(elsewhere.pid())) {
    fmt::print("skipped: no network namespace with a veth pair, or no cgroup, here\n");
    return;
  }
  UnitBench bench(kNetdev, "v2-systemd-containerd");
  FakeContext context;
  context.AddLive("cafe", cgroup.ref(), cgroup.path());
  const Root real;
  const Resources resources{real, bench.clock, context, bench.sched, bench.losses, bench.report};
  auto unit = kNetdev.mechanisms[0].open(OpenRequest(), resources);
  REQUIRE(unit.ok());
  MetricLines lines(kNetdev);
  (*unit)->Collect(lines);
  CHECK(lines.With("container_netdev_up") ==
        "huatuo_container_netdev_up inside0 [cafe] 0\n"
        "huatuo_container_netdev_up inside1 [cafe] 0\n");
  CHECK(lines.With("container_netdev_tx_bytes_total inside0") ==
        "huatuo_container_netdev_tx_bytes_total inside0 [cafe] 0\n");
  CHECK(bench.losses.Text().empty());
}

}  // namespace
}  // namespace huatuo
