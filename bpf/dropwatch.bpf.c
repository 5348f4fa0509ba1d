// SPDX-License-Identifier: GPL-2.0
/* Packets that the kernel frees because it does not want them, at the tracepoint kfree_skb, and
 * those that a device drops and reports, at devlink_trap_report.
 *
 * Every drop is counted by its reason. A drop becomes a record unless its reason is one of normal
 * life, or there is none and the place is, or it is no IP packet (netlink and local sockets free
 * theirs here too), or the packet is one of the apiserver's connections, lest a drop cause a packet
 * that is dropped.
 * Each drop is counted as exactly one of: these silences, emitted, refused, ring_full. */
#include "kernel.h"
#include "dropwatch.h"
#include "compat.bpf.h"
#include "socket.bpf.h"
#include "instance.bpf.h"
#include "packet.bpf.h"
#include "drop_filter.bpf.h"
#include "kernel_stack.bpf.h"
#include "packet_drops.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* 1 for the slots of the reasons that are normal. */
const volatile __u8 normal_reasons[DROP_REASON_SLOTS] = {};
/* What the kernel says when it gives no reason, and where that is normal all the same. */
const volatile __u32 unspecified_reason = 0;
const volatile struct drop_code normal_places[DROP_CODES] = {};
const volatile __u16 server_port = 0;
/* Whether it tells the others which packets were dropped: one instance does. The default is what
 * needs more of the verifier, which tests try with it. */
const volatile bool remembers = true;

volatile __u64 report_normal SEC(".data") = 0;
volatile __u64 quiet_port SEC(".data") = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_SLOTS);
	__type(key, u32);
	__type(value, u64);
} drops SEC(".maps");

struct reason_name {
	char text[DROP_REASON_LEN];
};

/* By slot; filled before the program is attached. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DROP_REASON_SLOTS);
	__type(key, u32);
	__type(value, struct reason_name);
} reason_names SEC(".maps");

/* Whose drops, for which reason, were over the limit in this tick of the clock: the rest of the
 * tick need not be looked at. `who` is only compared. */
struct refusal {
	u64 who;
	u64 slot;
	u64 tick;
	u64 filtered_tick; /* a drop was filtered then */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct refusal);
} refusals SEC(".maps");

/* One drop, as the tracepoint tells it. */
struct drop {
	struct sk_buff *skb;
	void *location;
	struct sock *rx_sk;
	const char *trap; /* NULL: no device dropped it */
	u32 reason;
};

/* Its packet; `place` and `ip` are known only when it is one of IP. `packet` is filled by wants. */
struct drop_view {
	struct drop_packet packet;
	struct packet_place place;
	union ip_start ip;
	bool is_ip;
};

/* Who has the packet: the socket's cgroup or the network namespace, for limits and filters. */
struct drop_subject {
	struct cgroup_ref ref;
	struct net_device *dev;
	struct sock *sk; /* with the owner: a whole one */
	struct net *net;
	u32 netns;
};

static __always_inline void count(u32 slot)
{
	u64 *value = bpf_map_lookup_elem(&drops, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline u32 slot_of(u32 reason)
{
	u32 subsystem = reason >> DROP_SUBSYS_SHIFT;
	u32 number = reason & 0xffff;

	if (subsystem == 0 && number < DROP_CORE_SLOTS)
		return number;
	if (subsystem - 1 < DROP_SUBSYSTEMS && number < DROP_SUBSYS_SLOTS)
		return DROP_CORE_SLOTS + (subsystem - 1) * DROP_SUBSYS_SLOTS + number;
	return DROP_SLOT_OTHER;
}

static __always_inline bool is_normal(u32 slot)
{
	/* One register for the check and the use: older verifiers lose the bound in a copy. */
	asm volatile("" : "+r"(slot));
	return slot < DROP_REASON_SLOTS && normal_reasons[slot];
}

/* What is normal at the place of a drop that has no reason. */
enum { NOTHING_NORMAL, FIN_NORMAL, ALL_NORMAL };

static __always_inline u32 normal_at(u32 slot, const void *location)
{
	if (slot != unspecified_reason)
		return NOTHING_NORMAL;
#pragma unroll
	for (u32 i = 0; i < DROP_CODES; i++) {
		if ((u64)location - normal_places[i].begin < normal_places[i].bytes)
			return normal_places[i].only_fin ? FIN_NORMAL : ALL_NORMAL;
	}
	return NOTHING_NORMAL;
}

/* In a queue the device's place is used for other things: a pointer there counts only if it is a
 * device of the network namespace that the socket has, or at least looks like a device. */
static __always_inline struct net_device *checked_device(struct net_device *dev, struct net *of)
{
	int ifindex = 0;
	u8 first = 0;

	if (!dev)
		return NULL;
	if (of)
		return BPF_CORE_READ(dev, nd_net.net) == of ? dev : NULL;
	bpf_core_read(&ifindex, sizeof(ifindex), &dev->ifindex);
	bpf_core_read(&first, sizeof(first), &dev->name);
	return ifindex > 0 && ifindex < 1 << 24 && first > ' ' && first < 0x7f ? dev : NULL;
}

/* On its way out a packet has a route before it has a device. */
static __always_inline struct net_device *route_device(struct sk_buff *skb, struct net *net)
{
	/* The lowest bit says whether the route is counted. */
	struct dst_entry *route = (void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL);

	if (!route || !net)
		return NULL;
	return checked_device(BPF_CORE_READ(route, dev), net);
}

static __always_inline void find_place(bool typed, const struct drop *drop, u32 terms,
				       struct drop_subject *subject)
{
	struct sk_buff *skb = drop->skb;
	struct sock *sk = drop->rx_sk;
	struct net_device *dev;
	struct net *net = NULL;

	if (!sk)
		sk = LOAD(typed, skb, sk);
	if (sk)
		net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	dev = checked_device(LOAD(typed, skb, dev), net);
	if (!net && dev)
		net = BPF_CORE_READ(dev, nd_net.net);
	if (!dev && terms & DROP_FILTER_DEVICE)
		dev = route_device(skb, net);
	subject->netns = net ? BPF_CORE_READ(net, ns.inum) : 0;
	subject->net = net;
	subject->dev = dev;
	subject->sk = sk;
}

static __always_inline void find_owner(struct drop_subject *subject)
{
	if (subject->sk)
		subject->sk = whole_socket(subject->sk);
	subject->ref = socket_subject(subject->sk, subject->net);
}

static __always_inline void fill_reason(struct dropwatch_event *event, const struct drop *drop)
{
	u32 slot = slot_of(drop->reason);
	struct reason_name *name = bpf_map_lookup_elem(&reason_names, &slot);

	event->reason = drop->reason;
	if (name && !drop->trap) {
		__builtin_memcpy(event->reason_name, name, sizeof(event->reason_name));
		return;
	}
	__builtin_memset(event->reason_name, 0, sizeof(event->reason_name));
	if (drop->trap)
		bpf_probe_read_kernel_str(event->reason_name, sizeof(event->reason_name),
					  drop->trap);
}

static __always_inline void fill_place(struct dropwatch_event *event, const struct drop *drop,
				       const struct drop_subject *subject)
{
	struct net_device *dev = subject->dev;
	struct sk_buff *skb = drop->skb;

	event->location = (u64)drop->location;
	event->netns_inum = subject->netns;
	event->netns_cookie = subject->net ? net_cookie_of(subject->net) : 0;
	event->ifindex = BPF_CORE_READ(skb, skb_iif);
	__builtin_memset(event->netdev, 0, sizeof(event->netdev));
	if (!dev)
		dev = route_device(skb, subject->net);
	if (!dev)
		return;
	event->ifindex = BPF_CORE_READ(dev, ifindex);
	bpf_probe_read_kernel_str(event->netdev, sizeof(event->netdev), &dev->name);
}

static __always_inline void fill_socket(struct dropwatch_event *event, struct sock *sk)
{
	event->sk_state = sk ? BPF_CORE_READ(sk, __sk_common.skc_state) : 0;
	event->ack_backlog = sk ? BPF_CORE_READ(sk, sk_ack_backlog) : 0;
	event->max_ack_backlog = sk ? BPF_CORE_READ(sk, sk_max_ack_backlog) : 0;
}

static __always_inline void fill_buffer(struct drop_packet *packet, struct sk_buff *skb,
					const struct packet_place *place)
{
	s64 at = BPF_CORE_READ(skb, data) - BPF_CORE_READ(skb, head);

	packet->length = BPF_CORE_READ(skb, len);
	if (packet->version)
		packet->length += at - place->network;
	packet->ethertype = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	packet->queue_mapping = BPF_CORE_READ(skb, queue_mapping);
}

/* The place of the drop; of one by a device how its name begins, which is no address. */
static __always_inline u64 stack_key_of(const struct dropwatch_event *event)
{
	u64 name;

	if (event->location)
		return event->location;
	__builtin_memcpy(&name, event->reason_name, sizeof(name));
	return name;
}

static __always_inline bool emit(void *ctx, const struct drop *drop,
				 const struct drop_subject *subject, struct drop_view *view)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct emitter by = instance_emitter();
	struct dropwatch_event *event;

	event = event_reserve(&by, 0, sizeof(*event), task, &subject->ref, &subject->ref);
	if (!event)
		return false;
	fill_buffer(&view->packet, drop->skb, &view->place);
	event->packet = view->packet;
	fill_reason(event, drop);
	fill_place(event, drop, subject);
	fill_socket(event, subject->sk);
	kernel_stack(ctx, stack_key_of(event), event->header.time_ns, &event->stack);
	event_submit(event);
	return true;
}

/* The slot that says why this drop makes no record; 0 when it may. */
static __always_inline u32 silence_of(bool typed, const struct drop *drop, u32 slot,
				      const volatile struct drop_filter *filter,
				      struct drop_view *view)
{
	u32 normal = is_normal(slot) ? ALL_NORMAL : normal_at(slot, drop->location);

	if (!filter_wants_reason(filter, drop->reason))
		return DROP_SILENT_FILTERED;
	/* A reason that is asked for is told, however normal it is. */
	if (report_normal || filter->terms & DROP_FILTER_REASON)
		normal = NOTHING_NORMAL;
	if (normal == ALL_NORMAL)
		return DROP_SILENT_NORMAL;
	view->is_ip =
		packet_find(typed, drop->skb, &view->place) && packet_read(&view->place, &view->ip);
	if (!view->is_ip)
		return slot == unspecified_reason ? DROP_SILENT_NOT_IP : 0;
	if (packet_is_tcp_of(&view->place, &view->ip, server_port, quiet_port))
		return DROP_SILENT_OWN;
	if (normal == FIN_NORMAL &&
	    packet_tcp_flags(&view->place, &view->ip, &view->packet.tcp_flags) & TCP_FLAG_FIN)
		return DROP_SILENT_NORMAL;
	return 0;
}

/* The socket or the device stands for the subject. A filter decides by packet: nothing is known of
 * the next one then. */
static __always_inline u64 refusal_key(bool typed, const struct drop *drop, u32 terms)
{
	struct sk_buff *skb = drop->skb;
	u64 sk = (u64)drop->rx_sk;

	if (terms || filter_cgroups || filter_tgid)
		return 0;
	if (!sk)
		sk = (u64)LOAD(typed, skb, sk);
	return sk ? sk : (u64)LOAD(typed, skb, dev);
}

static __always_inline bool refused_in_this_tick(u64 who, u32 slot)
{
	u32 zero = 0;
	struct refusal *last = bpf_map_lookup_elem(&refusals, &zero);

	return who && last && last->who == who && last->slot == slot &&
	       last->tick == bpf_jiffies64();
}

static __always_inline void remember_refusal(u64 who, u32 slot, const struct cgroup_ref *limited)
{
	u32 zero = 0;
	struct refusal *last = bpf_map_lookup_elem(&refusals, &zero);
	struct emitter by = instance_emitter();

	if (!who || !last || !event_limit_reached(&by, limited))
		return;
	last->who = who;
	last->slot = slot;
	last->tick = bpf_jiffies64();
	if (remembers)
		packet_drop_unseen();
}

/* The cheap terms first: a packet that is refused by what it says costs no look at its socket. */
static __always_inline bool wants(bool typed, const struct drop *drop,
				  const volatile struct drop_filter *filter, struct drop_view *view,
				  struct drop_subject *subject)
{
	u32 terms = filter->terms;

	if (terms & DROP_FILTER_PACKET &&
	    (!view->is_ip || !filter_may_want(filter, &view->place, &view->ip)))
		return false;
	/* In one place, for all: the verifier follows each way through it for each place. */
	if (view->is_ip)
		packet_fill(&view->place, &view->ip, &view->packet);
	if (filter->terms & DROP_FILTER_PACKET && !filter_wants_packet(filter, &view->packet))
		return false;
	find_place(typed, drop, terms, subject);
	if (!filter_wants_place(filter, subject->netns, subject->dev))
		return false;
	find_owner(subject);
	return instance_wants(&subject->ref, bpf_get_current_pid_tgid() >> 32);
}

static __always_inline void remember(const struct drop *drop, u32 slot,
				     const struct drop_view *view)
{
	struct packet_run add = {.location = (u64)drop->location};
	struct reason_name *name = bpf_map_lookup_elem(&reason_names, &slot);
	struct packet_flow flow = {};

	if (!packet_segment_of(&view->place, &view->ip, &flow, &add))
		return;
	add.time_ns = bpf_ktime_get_boot_ns();
	if (name)
		__builtin_memcpy(add.reason_name, name, sizeof(add.reason_name));
	packet_remember(&flow, &add);
}

/* Whether such a packet was dropped can no longer be told; said once in a tick of the clock. */
static __always_inline void forget_filtered(void)
{
	u32 zero = 0;
	struct refusal *last = bpf_map_lookup_elem(&refusals, &zero);
	u64 tick = bpf_jiffies64();

	if (!last || last->filtered_tick == tick)
		return;
	last->filtered_tick = tick;
	packet_drop_unseen();
}

static __always_inline void silence(u32 why)
{
	count(why);
	if (remembers && why == DROP_SILENT_FILTERED)
		forget_filtered();
}

static __always_inline int on_drop(void *ctx, bool typed, const struct drop *drop)
{
	u32 slot = slot_of(kfree_skb_has_reason() ? drop->reason : unspecified_reason);
	const volatile struct drop_filter *filter = filter_now();
	u64 who = refusal_key(typed, drop, filter->terms);
	struct drop_subject subject = {};
	struct drop_view view = {};
	u32 why;

	count(slot);
	if (refused_in_this_tick(who, slot)) {
		event_refuse(0);
		return 0;
	}
	why = silence_of(typed, drop, slot, filter, &view);
	if (!why && !wants(typed, drop, filter, &view, &subject))
		why = DROP_SILENT_FILTERED;
	if (why) {
		silence(why);
		return 0;
	}
	if (remembers && view.is_ip)
		remember(drop, slot, &view);
	if (!emit(ctx, drop, &subject, &view))
		remember_refusal(who, slot, &subject.ref);
	return 0;
}

/* A device hands the packet over as it came from the wire: the buffer begins with the Ethernet
 * header, and says nothing about what follows. */
static __always_inline bool trapped_ip(bool typed, struct sk_buff *skb, struct drop_view *view)
{
	u16 ethertype = bpf_ntohs(LOAD(typed, skb, protocol));
	struct packet_place *place = &view->place;

	if (ethertype != ETHERTYPE_IP && ethertype != ETHERTYPE_IPV6)
		return false;
	place->head = LOAD(typed, skb, head);
	place->network = LOAD(typed, skb, data) - place->head + ETHERNET_HEADER_LEN;
	place->end = LOAD(typed, skb, tail);
	return place->network + sizeof(struct iphdr) <= place->end && packet_read(place, &view->ip);
}

static __always_inline int on_trap(void *ctx, bool typed, struct sk_buff *skb,
				   struct devlink_trap_metadata *trap)
{
	struct drop drop = {.skb = skb, .reason = DROP_REASON_TRAP};
	const volatile struct drop_filter *filter = filter_now();
	struct drop_subject subject = {};
	struct drop_view view = {};

	/* A kernel without devlink. */
	if (!bpf_core_type_exists(struct devlink_trap_metadata))
		return 0;
	/* What the kernel is meant to look at is not dropped. */
	if (LOAD(typed, trap, trap_type) == DEVLINK_TRAP_TYPE_CONTROL)
		return 0;
	count(DROP_TRAPPED);
	drop.trap = LOAD(typed, trap, trap_name);
	view.is_ip = trapped_ip(typed, skb, &view);
	if (filter_wants_reason(filter, drop.reason) &&
	    wants(typed, &drop, filter, &view, &subject))
		emit(ctx, &drop, &subject, &view);
	else
		count(DROP_SILENT_FILTERED);
	return 0;
}

/* Not BPF_PROG: the arguments that this kernel does not pass must not be read. */
#define DROP_OF(args)                                                                              \
	{                                                                                          \
		.skb = (void *)(args)[0], .location = (void *)(args)[1],                           \
		.reason = kfree_skb_has_reason() ? (u32)(args)[2] : DROP_REASON_UNKNOWN,           \
		.rx_sk = kfree_skb_has_rx_sk() ? (void *)(args)[3] : NULL,                         \
	}

SEC("tp_btf/kfree_skb")
int kfree_skb_btf(unsigned long long *ctx)
{
	struct drop drop = DROP_OF(ctx);

	return on_drop(ctx, true, &drop);
}

SEC("raw_tp/kfree_skb")
int kfree_skb_raw(struct bpf_raw_tracepoint_args *ctx)
{
	struct drop drop = DROP_OF(ctx->args);

	return on_drop(ctx, false, &drop);
}

SEC("tp_btf/devlink_trap_report")
int BPF_PROG(device_trap_btf, const struct devlink *devlink, struct sk_buff *skb,
	     struct devlink_trap_metadata *trap)
{
	return on_trap(ctx, true, skb, trap);
}

SEC("raw_tp/devlink_trap_report")
int device_trap_raw(struct bpf_raw_tracepoint_args *ctx)
{
	return on_trap(ctx, false, (void *)ctx->args[1], (void *)ctx->args[2]);
}
