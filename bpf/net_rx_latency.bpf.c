// SPDX-License-Identifier: GPL-2.0
/* Packets that came late to a stage of the receive path, measured from skb->tstamp: the wall clock
 * when the packet was taken from its device or put into a CPU's backlog. The kernel stamps packets
 * only while some socket asks for it. Since 5.18 (a1ac9c8acec1) a TCP packet that was sent on this
 * host keeps, until it is delivered, the monotonic time at which it was due to be sent.
 *
 * Every packet passes here: one in time costs a few loads and a comparison. A late one is
 * counted by its stage, and as exactly one of: a silence, emitted, refused, ring_full. */
#include "kernel.h"
#include "net_rx_latency.h"
#include "compat.bpf.h"
#include "instance.bpf.h"
#include "packet.bpf.h"
#include "socket.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define NS_PER_MS 1000000ULL
/* What a stamp of another clock looks like. */
#define IMPLAUSIBLE_NS (3600 * NS_PER_SECOND)
/* The offset of the clocks is told once a second; slewing by NTP (500 ppm) moves it by half. */
#define STEP_NS NS_PER_MS

/* NETDEV_HASHENTRIES of the kernel, and how far to look in one. */
#define DEVICE_HASH  256
#define DEVICE_STEPS 8

/* The low bits of a stamp make room for the number of the timer's tick. */
#define TICK_MASK 0xffffULL

/* What a stamp is of, and how late a packet may be. */
enum { RX_MONOTONIC, RX_WALL, RX_CLOCKS };
enum { RX_LIMIT_NETIF, RX_LIMIT_TRANSPORT, RX_LIMIT_USER, RX_LIMITS };

const volatile __u16 server_port = 0;
const volatile __u64 tick_ns = 0; /* between two ticks of the timer */

volatile __u64 quiet_port SEC(".data") = 0;
volatile __u64 netif_threshold_ms SEC(".data") = 5;
volatile __u64 transport_threshold_ms SEC(".data") = 10;
volatile __u64 user_threshold_ms SEC(".data") = 115;
volatile __u64 wall_offset_ns SEC(".data") = 0; /* wall clock - CLOCK_BOOTTIME */
volatile __u64 tai_offset_ns SEC(".data") = 0;	/* CLOCK_TAI - wall clock */
volatile __u64 stepped_ns SEC(".data") = 0;	/* CLOCK_BOOTTIME of the newest step */
/* A packet with this stamp, or a later one, is in time as long as the tick is the one in the bits
 * of TICK_MASK. One word, so that no CPU sees a part of what another writes. */
volatile __u64 in_time[RX_CLOCKS][RX_LIMITS] SEC(".data") = {
	[RX_WALL] = {~0ULL, ~0ULL, ~0ULL},
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RX_SLOTS);
	__type(key, u32);
	__type(value, u64);
} late_packets SEC(".maps");

struct late_packet {
	struct sk_buff *skb;
	struct sock *sk;
	u64 latency_ns;
	u64 threshold_ns;
	u32 stage;
};

struct rx_subject {
	struct cgroup_ref ref;
	struct net_device *dev;
	struct net *net;
};

static __always_inline void count(u32 slot)
{
	u64 *value = bpf_map_lookup_elem(&late_packets, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline u64 wall_now(void)
{
	if (has_wall_clock())
		return bpf_ktime_get_tai_ns() - tai_offset_ns;
	return bpf_ktime_get_boot_ns() + wall_offset_ns;
}

/* Whether the clock was set since the packet was stamped. Before 6.1 the time from the step to user
 * space's word of it is not covered. */
static __always_inline bool clock_stepped(u64 latency_ns)
{
	u64 boot = bpf_ktime_get_boot_ns();
	u64 moved;

	if (stepped_ns && boot - stepped_ns < latency_ns)
		return true;
	if (!has_wall_clock())
		return false;
	moved = wall_now() - boot - wall_offset_ns;
	return moved + STEP_NS > 2 * STEP_NS;
}

/* TCP takes the device away from its packets, but not the number. NULL: not within a few steps. */
static __always_inline struct net_device *device_of(struct net *net, int ifindex)
{
	struct hlist_head *heads = BPF_CORE_READ(net, dev_index_head);
	struct hlist_node *node = NULL;

	if (!heads)
		return NULL;
	bpf_probe_read_kernel(&node, sizeof(node), &heads[ifindex & (DEVICE_HASH - 1)]);
	for (int i = 0; i < DEVICE_STEPS && node; i++) {
		struct net_device *dev =
			(void *)node - bpf_core_field_offset(struct net_device, index_hlist);

		if (BPF_CORE_READ(dev, ifindex) == ifindex)
			return dev;
		node = BPF_CORE_READ(node, next);
	}
	return NULL;
}

/* The device's place is used for other things as soon as the packet is in a socket's queue. */
static __always_inline void find_subject(const struct late_packet *late, struct rx_subject *subject)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sk_buff *skb = late->skb;
	struct sock *sk = late->sk;
	struct net_device *dev = NULL;

	if (late->stage == RX_TO_USER) {
		subject->net = BPF_CORE_READ(task, nsproxy, net_ns);
		subject->ref = cgroup_ref_of(cgroup_cpu(task));
		return;
	}
	if (sk) {
		subject->net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
		dev = device_of(subject->net, BPF_CORE_READ(skb, skb_iif));
	} else {
		dev = BPF_CORE_READ(skb, dev);
		subject->net = BPF_CORE_READ(dev, nd_net.net);
	}
	subject->dev = dev;
	subject->ref = socket_subject(sk, subject->net);
}

/* On arrival the network header has not been set: there the data begins with it. */
static __always_inline bool find_packet(const struct late_packet *late, struct packet_place *place)
{
	struct sk_buff *skb = late->skb;
	u16 ethertype;

	if (late->stage != RX_TO_NETIF)
		return packet_find(false, skb, place);
	ethertype = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	if (ethertype != ETHERTYPE_IP && ethertype != ETHERTYPE_IPV6)
		return false;
	place->head = BPF_CORE_READ(skb, head);
	place->network = BPF_CORE_READ(skb, data) - place->head;
	place->end = BPF_CORE_READ(skb, tail);
	return place->network + sizeof(struct iphdr) <= place->end;
}

static __always_inline void fill_buffer(struct drop_packet *packet, struct sk_buff *skb,
					const struct packet_place *place)
{
	s64 at = BPF_CORE_READ(skb, data) - BPF_CORE_READ(skb, head);

	packet->length = BPF_CORE_READ(skb, len) + at - place->network;
	packet->ethertype = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	packet->queue_mapping = BPF_CORE_READ(skb, queue_mapping);
}

static __always_inline void fill_place(struct net_rx_latency_event *event,
				       const struct late_packet *late,
				       const struct rx_subject *subject)
{
	struct net_device *dev = subject->dev;
	struct sk_buff *skb = late->skb;
	struct net *net = subject->net;
	struct sock *sk = late->sk;

	if (!sk)
		sk = BPF_CORE_READ(skb, sk);
	event->sk_state = sk ? BPF_CORE_READ(sk, __sk_common.skc_state) : 0;
	event->netns_cookie = net ? net_cookie_of(net) : 0;
	event->netns_inum = net ? BPF_CORE_READ(net, ns.inum) : 0;
	event->ifindex = BPF_CORE_READ(skb, skb_iif);
	__builtin_memset(event->netdev, 0, sizeof(event->netdev));
	if (!dev)
		return;
	event->ifindex = BPF_CORE_READ(dev, ifindex);
	bpf_probe_read_kernel_str(event->netdev, sizeof(event->netdev), &dev->name);
}

static __always_inline void emit(const struct late_packet *late, const struct rx_subject *subject,
				 const struct packet_place *place, const union ip_start *ip)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct emitter by = instance_emitter();
	struct net_rx_latency_event *event;
	struct drop_packet packet = {};

	event = event_reserve(&by, 0, sizeof(*event), task, &subject->ref, &subject->ref);
	if (!event)
		return;
	packet_fill(place, ip, &packet);
	fill_buffer(&packet, late->skb, place);
	event->packet = packet;
	event->latency_ns = late->latency_ns;
	event->threshold_ns = late->threshold_ns;
	event->stage = late->stage;
	fill_place(event, late, subject);
	event_submit(event);
}

/* The slot that says why this packet makes no record; 0 when it may. */
static __always_inline u32 silence_of(const struct late_packet *late, struct packet_place *place,
				      union ip_start *ip)
{
	if (late->latency_ns > IMPLAUSIBLE_NS)
		return RX_SILENT_IMPLAUSIBLE;
	if (clock_stepped(late->latency_ns))
		return RX_SILENT_CLOCK_STEP;
	if (!find_packet(late, place) || !packet_read(place, ip))
		return RX_SILENT_NOT_IP;
	return packet_is_tcp_of(place, ip, server_port, quiet_port) ? RX_SILENT_OWN : 0;
}

static __noinline int on_late(const struct late_packet *late)
{
	struct rx_subject subject = {};
	struct packet_place place = {};
	union ip_start ip = {};
	u32 silence;

	count(late->stage);
	silence = silence_of(late, &place, &ip);
	if (!silence) {
		find_subject(late, &subject);
		if (!instance_wants(&subject.ref, bpf_get_current_pid_tgid() >> 32))
			silence = RX_SILENT_FILTERED;
	}
	if (silence)
		count(silence);
	else
		emit(late, &subject, &place, &ip);
	return 0;
}

static __always_inline u64 threshold_of(u32 limit)
{
	u64 ms = limit == RX_LIMIT_NETIF       ? netif_threshold_ms
		 : limit == RX_LIMIT_TRANSPORT ? transport_threshold_ms
					       : user_threshold_ms;

	return ms * NS_PER_MS;
}

/* For the packets that follow in this tick. Its end is missed only while the CPU that keeps the
 * ticks has its interrupts off, which is the unit softirq's to tell. */
static __always_inline void remember(bool wall, u32 limit, u64 tick, u64 threshold_ns)
{
	u64 now = wall ? wall_now() : bpf_ktime_get_ns();
	u64 latest = now + tick_ns + 2 * TICK_MASK;
	u64 stamp = latest > threshold_ns ? latest - threshold_ns : 0;

	if (limit < RX_LIMITS)
		in_time[wall ? RX_WALL : RX_MONOTONIC][limit] = (stamp & ~TICK_MASK) | tick;
}

static __always_inline u64 tick_now(void)
{
	return bpf_jiffies64() & TICK_MASK;
}

static __noinline int measure(struct sk_buff *skb, struct sock *sk, u32 stage, u32 limit)
{
	struct late_packet late = {.skb = skb, .sk = sk, .stage = stage};
	u64 tick = tick_now();
	u64 tstamp = BPF_CORE_READ(skb, tstamp);

	if (!tstamp)
		return 0;
	late.threshold_ns = threshold_of(limit);
	remember(tstamp >= wall_offset_ns, limit, tick, late.threshold_ns);
	late.latency_ns = wall_now() - tstamp;
	if ((s64)late.latency_ns > (s64)IMPLAUSIBLE_NS)
		late.latency_ns = bpf_ktime_get_ns() - tstamp;
	/* Signed: a packet may be stamped by another CPU, a little later. */
	if ((s64)late.latency_ns <= (s64)late.threshold_ns)
		return 0;
	return on_late(&late);
}

/* Reading a clock would be most of what a packet costs: that it is in time for sure is told by a
 * few loads. A stamp from before the wall clock of the boot is one of the monotonic clock, and
 * below all of the other. `tick`: of now, asked for first, so that nothing else has to be kept
 * beside that call. `typed`: see load.bpf.h. */
static __always_inline bool surely_in_time(bool typed, u64 tick, struct sk_buff *skb, u32 limit)
{
	u64 tstamp = typed ? skb->tstamp : BPF_CORE_READ(skb, tstamp);
	u64 stamp = in_time[RX_WALL][limit];

	if (tstamp < stamp) {
		if (tstamp >= wall_offset_ns)
			return false;
		stamp = in_time[RX_MONOTONIC][limit];
		if (tstamp < stamp)
			return false;
	}
	return (stamp & TICK_MASK) == tick;
}

static __always_inline int on_packet(bool typed, struct sk_buff *skb, struct sock *sk, u32 stage,
				     u32 limit)
{
	return surely_in_time(typed, tick_now(), skb, limit) ? 0 : measure(skb, sk, stage, limit);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(rx_netif, struct sk_buff *skb)
{
	return on_packet(true, skb, NULL, RX_TO_NETIF, RX_LIMIT_NETIF);
}

/* In a queue, only UDP's buffers have no socket: they are told by skb_consume_udp. */
SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(rx_user, struct sk_buff *skb)
{
	if (surely_in_time(true, tick_now(), skb, RX_LIMIT_USER) || !skb->sk)
		return 0;
	return measure(skb, NULL, RX_TO_USER, RX_LIMIT_USER);
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(rx_user_any, struct sk_buff *skb)
{
	return on_packet(true, skb, NULL, RX_TO_USER, RX_LIMIT_USER);
}

/* Called when a UDP packet was copied. The tracepoint does not see those that are in one piece,
 * which most are. `length` is negative when the reader only peeks. */
SEC("fentry/skb_consume_udp")
int BPF_PROG(rx_user_udp_fentry, struct sock *sk, struct sk_buff *skb, int length)
{
	if (length < 0)
		return 0;
	return on_packet(true, skb, sk, RX_TO_USER, RX_LIMIT_USER);
}

SEC("kprobe/skb_consume_udp")
int BPF_KPROBE(rx_user_udp_kprobe, struct sock *sk, struct sk_buff *skb, int length)
{
	if (length < 0)
		return 0;
	return on_packet(false, skb, sk, RX_TO_USER, RX_LIMIT_USER);
}

static __noinline int measure_tcp(struct sk_buff *skb, struct sock *sk)
{
	if (BPF_CORE_READ(skb, protocol) == bpf_htons(ETHERTYPE_IP))
		return measure(skb, sk, RX_TO_TCPV4, RX_LIMIT_TRANSPORT);
	return measure(skb, sk, RX_TO_TCPV6, RX_LIMIT_TRANSPORT);
}

/* Here TCP takes a packet: for an established connection, for all others. Not the functions that
 * receive its packets from IP: a function costs twice what a tracepoint does, and here the socket
 * is known. What its owner keeps it busy with is in the latency. */
static __always_inline int on_tcp(bool typed, struct sock *sk, struct sk_buff *skb)
{
	if (surely_in_time(typed, tick_now(), skb, RX_LIMIT_TRANSPORT))
		return 0;
	return measure_tcp(skb, sk);
}

struct tcp_probe_args {
	struct sock *sk;
	struct sk_buff *skb;
};

/* Where most packets come by: only `args` is kept beside the call for the tick. */
SEC("tp_btf/tcp_probe")
int rx_tcp_probe(struct tcp_probe_args *args)
{
	u64 tick = tick_now();

	if (surely_in_time(true, tick, args->skb, RX_LIMIT_TRANSPORT))
		return 0;
	return measure_tcp(args->skb, args->sk);
}

SEC("fentry/tcp_rcv_state_process")
int BPF_PROG(rx_tcp_state_fentry, struct sock *sk, struct sk_buff *skb)
{
	return on_tcp(true, sk, skb);
}

SEC("kprobe/tcp_rcv_state_process")
int BPF_KPROBE(rx_tcp_state_kprobe, struct sock *sk, struct sk_buff *skb)
{
	return on_tcp(false, sk, skb);
}

#define RECEIVE_FUNCTION(function, stage)                                                          \
	SEC("fentry/" #function)                                                                   \
	int BPF_PROG(function##_fentry, struct sk_buff *skb)                                       \
	{                                                                                          \
		return on_packet(true, skb, NULL, stage, RX_LIMIT_TRANSPORT);                      \
	}                                                                                          \
	SEC("kprobe/" #function)                                                                   \
	int BPF_KPROBE(function##_kprobe, struct sk_buff *skb)                                     \
	{                                                                                          \
		return on_packet(false, skb, NULL, stage, RX_LIMIT_TRANSPORT);                     \
	}

RECEIVE_FUNCTION(udp_rcv, RX_TO_UDPV4)
RECEIVE_FUNCTION(udpv6_rcv, RX_TO_UDPV6)
