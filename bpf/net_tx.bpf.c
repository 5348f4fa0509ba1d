// SPDX-License-Identifier: GPL-2.0
/* Packets on their way out: how long after TCP's own stamp the driver gets them, and how long they
 * were in a queue.
 *
 * The first needs one hook and no memory: the stamp is in the packet. A stamp is CLOCK_MONOTONIC of
 * the moment at which the segment was given down, or, where a sender is paced by the queue (fq), of
 * the one at which it was to leave. Forwarded packets keep it since 5.18, so what a container sends
 * counts where it leaves the node.
 *
 * The hooks of the queues fire for packets that were put into one only, not for those that an empty
 * queue lets through at once. */
#include "kernel.h"
#include "net_tx.h"
#include "histogram.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Further off is a stamp of another clock: a received packet has the wall clock's. */
#define STAMP_MAX_NS 60000000000ULL
/* Packets that a queue gives out at once and whose times are taken. */
#define BULK_MAX 16

/* Of the network namespace whose devices count. */
const volatile __u32 netns_inum = 0;
/* 1: also devices without hardware behind them, which give their packets to others. */
volatile __u32 virtual_devices SEC(".data") = 0;

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

static __always_inline struct net_tx_queued *place_of(u64 packet)
{
	u32 index = packet * 0x9e3779b97f4a7c15ULL >> (64 - NET_TX_QUEUED_BITS);

	return bpf_map_lookup_elem(&queued, &index);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(net_tx_start, struct sk_buff *packet, struct net_device *device)
{
	u64 stamp = packet->tstamp;
	u64 now;

	if (!stamp || (!virtual_devices && !device->dev.parent) ||
	    device->nd_net.net->ns.inum != netns_inum)
		return 0;
	now = bpf_ktime_get_ns();
	if (now - stamp <= STAMP_MAX_NS)
		add(&sends, device, now - stamp);
	else if (stamp - now <= STAMP_MAX_NS)
		add(&sends, device, 0);
	return 0;
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
	struct net_tx_queued *place = place_of((u64)packet);

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
	struct net_tx_queued *place = place_of((u64)packet);

	return place ? remember(place, (u64)packet) : 0;
}

static __always_inline void on_dequeue(struct net_device *device, u64 packet, u64 now)
{
	struct net_tx_queued *place = place_of(packet);
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
