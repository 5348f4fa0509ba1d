// SPDX-License-Identifier: GPL-2.0
/* Packets on their way out: how long after their protocol gave them down the driver gets them, and
 * how long they were in a queue.
 *
 * The first needs no memory for TCP: a stamp is in the packet. It is CLOCK_MONOTONIC of the moment
 * at which the segment was given down, or, where a sender is paced by the queue (fq), of the one at
 * which it was to leave. Forwarded packets keep it since 5.18, so what a container sends counts
 * where it leaves the node.
 *
 * UDP, ICMP and raw sockets stamp nothing: what they give down by ip_send_skb() and ip6_send_skb()
 * is remembered until a driver has it.
 *
 * What leaves a queue, also one that is empty, goes by sch_direct_xmit(). Devices without a queue
 * (loopback, veth, bridges) never come there, so that they cost nothing. Where they count, and
 * where functions cannot be hooked, the tracepoint in front of every driver is used instead.
 *
 * The hooks of the queues fire for packets that were put into one only, not for those that an empty
 * queue lets through at once. */
#include "kernel.h"
#include "net_tx.h"
#include "histogram.bpf.h"
#include "load.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Of if.h. */
#define IFF_LOOPBACK 0x8

/* Further off is a stamp of another clock: a received packet has the wall clock's. */
#define STAMP_MAX_NS 60000000000ULL
/* Packets that a queue gives out at once and whose times are taken. */
#define BULK_MAX 64
/* How many more are counted. */
#define BULK_REST_MAX 1024
/* QUEUE_STATE_ANY_XOFF_OR_FROZEN: the driver gets nothing now. */
#define QUEUE_STOPPED 0x7

/* Of the network namespace whose devices count. */
const volatile __u32 netns_inum = 0;
/* 1: a program remembers what is sent without a stamp. */
const volatile __u32 sent_is_kept = 1;
/* 1: also devices without hardware behind them, which give their packets to others. */
volatile __u32 virtual_devices SEC(".data") = 0;
/* Which of the two hooks counts. A packet that is between them when this changes counts at both or
 * at none. 1: net_dev_start_xmit; 0: sch_direct_xmit. */
volatile __u32 at_start SEC(".data") = 1;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, NET_TX_DEVICES);
	__type(key, struct net_tx_device);
	__type(value, struct latency);
} sends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, NET_TX_DEVICES);
	__type(key, struct net_tx_device);
	__type(value, struct latency);
} waits SEC(".maps");

/* By a hash of the packet. A packet that another CPU puts into the same place at the same moment
 * can get that one's time, which is as new. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << NET_TX_QUEUED_BITS);
	__type(key, u32);
	__type(value, struct net_tx_queued);
} queued SEC(".maps");

/* By a hash of the packet's buffer. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << NET_TX_SENT_BITS);
	__type(key, u32);
	__type(value, struct net_tx_sent);
} sent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NET_TX_COUNTS);
	__type(key, u32);
	__type(value, u64);
} net_tx_counts SEC(".maps");

/* What a new entry begins with: too large for the stack. */
static const struct latency no_latency;

static __always_inline void count(u32 what)
{
	u64 *counter = bpf_map_lookup_elem(&net_tx_counts, &what);

	if (counter)
		(*counter)++;
}

static __always_inline void add(void *map, struct net_device *device, u64 ns)
{
	struct net_tx_device key = {};
	struct latency *latency;

	BPF_CORE_READ_INTO(&key.name, device, name);
	latency = bpf_map_lookup_elem(map, &key);
	if (!latency) {
		bpf_map_update_elem(map, &key, &no_latency, BPF_NOEXIST);
		latency = bpf_map_lookup_elem(map, &key);
	}
	if (!latency) {
		count(NET_TX_NO_ROOM);
		return;
	}
	/* In a softirq of this CPU another packet can come between: at most one of the two is lost.
	 */
	latency->bucket[bucket_of(ns, LATENCY_BUCKETS)]++;
	latency->sum_ns += ns;
}

static __always_inline u32 place_of(u64 address, u32 bits)
{
	return address * 0x9e3779b97f4a7c15ULL >> (64 - bits);
}

static __always_inline struct net_tx_queued *queued_place(u64 packet)
{
	u32 index = place_of(packet, NET_TX_QUEUED_BITS);

	return bpf_map_lookup_elem(&queued, &index);
}

static __always_inline struct net_tx_sent *sent_place(u64 head)
{
	u32 index = place_of(head, NET_TX_SENT_BITS);

	return bpf_map_lookup_elem(&sent, &index);
}

static __always_inline bool is_ours(bool typed, struct net_device *device)
{
	struct net *net = LOAD(typed, device, nd_net.net);

	return LOAD(typed, net, ns.inum) == netns_inum;
}

/* The packet begins with its network header. Its way is known already; where a rule of the firewall
 * changes that, the place does not learn of it. */
static __always_inline int on_send(bool typed, struct sk_buff *packet)
{
	/* The lowest bit of the reference tells who holds it. */
	struct dst_entry *route = (void *)(LOAD(typed, packet, _skb_refdst) & ~1UL);
	struct net_device *device = BPF_CORE_READ(route, dev);
	struct net_tx_sent *place;
	u64 head;

	/* It goes to a device that does not count, and no further. */
	if (!virtual_devices && BPF_CORE_READ(device, flags) & IFF_LOOPBACK)
		return 0;
	/* As a number: 7.x lets nobody calculate with pointers that it has followed itself. */
	head = (u64)BPF_CORE_READ(packet, head);
	place = sent_place(head);
	if (!place)
		return 0;
	if (place->head && place->head != head)
		count(place->forwarded ? NET_TX_FORWARDED_OVERWRITTEN : NET_TX_SENT_OVERWRITTEN);
	place->head = head;
	place->bytes = LOAD(typed, packet, len);
	place->forwarded = !BPF_CORE_READ(device, dev.parent);
	place->since_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("fentry/ip_send_skb")
int BPF_PROG(ip_send_skb_fentry, struct net *net, struct sk_buff *packet)
{
	return on_send(true, packet);
}

SEC("kprobe/ip_send_skb")
int BPF_KPROBE(ip_send_skb_kprobe, struct net *net, struct sk_buff *packet)
{
	return on_send(false, packet);
}

SEC("fentry/ip6_send_skb")
int BPF_PROG(ip6_send_skb_fentry, struct sk_buff *packet)
{
	return on_send(true, packet);
}

SEC("kprobe/ip6_send_skb")
int BPF_KPROBE(ip6_send_skb_kprobe, struct sk_buff *packet)
{
	return on_send(false, packet);
}

/* When the packet, which begins with the header of its device, was given down; 0: not remembered.
 * One that was dropped on its way leaves its place behind, and its buffer may serve for another
 * packet that nobody remembers: that one is taken for it if it is no longer. (The first fragment of
 * a datagram is shorter.) */
static __always_inline u64 sent_ns(bool typed, struct sk_buff *packet, bool last)
{
	u64 head = (u64)BPF_CORE_READ(packet, head);
	struct net_tx_sent *place = sent_place(head);
	u64 before_header;

	if (!place || place->head != head)
		return 0;
	before_header =
		LOAD(typed, packet, network_header) - ((u64)BPF_CORE_READ(packet, data) - head);
	if (LOAD(typed, packet, len) - before_header > place->bytes)
		return 0;
	if (last)
		place->head = 0;
	place->forwarded = 1;
	return place->since_ns;
}

/* `last`: the packet goes no further on this node. */
static __always_inline void on_leave(bool typed, struct sk_buff *packet, struct net_device *device,
				     bool last)
{
	u64 since = LOAD(typed, packet, tstamp);
	u64 now;

	if (!since && sent_is_kept)
		since = sent_ns(typed, packet, last);
	if (!since || !is_ours(typed, device))
		return;
	now = bpf_ktime_get_ns();
	if (now - since <= STAMP_MAX_NS)
		add(&sends, device, now - since);
	else if (since - now <= STAMP_MAX_NS)
		add(&sends, device, 0);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(net_tx_start, struct sk_buff *packet, struct net_device *device)
{
	bool physical = device->dev.parent;

	if (at_start && (physical || virtual_devices))
		on_leave(true, packet, device, physical || device->flags & IFF_LOOPBACK);
	return 0;
}

/* `packet`: the first of a list. What finds its transmit queue stopped is put back and comes
 * again; so do the last ones of a list if the driver stops it meanwhile, which count twice. */
static __always_inline int on_direct(bool typed, struct sk_buff *packet, struct net_device *device,
				     struct netdev_queue *queue)
{
	if (at_start || !LOAD(typed, device, dev.parent) ||
	    LOAD(typed, queue, state) & QUEUE_STOPPED)
		return 0;
	for (int i = 0; i < BULK_MAX && packet; i++) {
		on_leave(typed, packet, device, true);
		packet = LOAD(typed, packet, next);
	}
	for (int i = 0; i < BULK_REST_MAX && packet; i++) {
		count(NET_TX_BULK);
		packet = LOAD(typed, packet, next);
	}
	return 0;
}

SEC("fentry/sch_direct_xmit")
int BPF_PROG(net_tx_direct_fentry, struct sk_buff *packet, void *qdisc, struct net_device *device,
	     struct netdev_queue *queue)
{
	return on_direct(true, packet, device, queue);
}

SEC("kprobe/sch_direct_xmit")
int BPF_KPROBE(net_tx_direct_kprobe, struct sk_buff *packet, void *qdisc, struct net_device *device,
	       struct netdev_queue *queue)
{
	return on_direct(false, packet, device, queue);
}

static __always_inline int remember(struct net_tx_queued *place, u64 packet)
{
	place->packet = packet;
	place->since_ns = bpf_ktime_get_ns();
	return 0;
}

/* Since 70713dddf3d2 in 5.14; told when the packet is in. */
SEC("raw_tp/qdisc_enqueue")
int BPF_PROG(net_tx_enqueue, void *qdisc, struct netdev_queue *queue, struct sk_buff *packet)
{
	struct net_tx_queued *place = queued_place((u64)packet);

	if (!place)
		return 0;
	if (place->packet && place->packet != (u64)packet)
		count(NET_TX_OVERWRITTEN);
	return remember(place, (u64)packet);
}

/* For kernels before: all packets, also to devices without a queue. Their places are taken again by
 * others, and that is no loss. */
SEC("raw_tp/net_dev_queue")
int BPF_PROG(net_tx_queue, struct sk_buff *packet)
{
	struct net_tx_queued *place = queued_place((u64)packet);

	return place ? remember(place, (u64)packet) : 0;
}

static __always_inline void on_dequeue(struct net_device *device, u64 packet, u64 now)
{
	struct net_tx_queued *place = queued_place(packet);
	u64 since;

	if (!place || place->packet != packet)
		return;
	since = place->since_ns;
	place->packet = 0;
	add(&waits, device, now > since ? now - since : 0);
}

/* `packet`: the first of a list, or NULL. */
SEC("raw_tp/qdisc_dequeue")
int BPF_PROG(net_tx_dequeue, void *qdisc, struct netdev_queue *queue, int packets,
	     struct sk_buff *packet)
{
	struct net_device *device = BPF_CORE_READ(queue, dev);
	u64 now;

	if (!packet || BPF_CORE_READ(device, nd_net.net, ns.inum) != netns_inum)
		return 0;
	now = bpf_ktime_get_ns();
	for (int i = 0; i < BULK_MAX && packet; i++) {
		on_dequeue(device, (u64)packet, now);
		packet = BPF_CORE_READ(packet, next);
	}
	return 0;
}
