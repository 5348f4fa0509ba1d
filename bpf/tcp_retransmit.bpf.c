// SPDX-License-Identifier: GPL-2.0
/* TCP segments that were sent again, at the tracepoints tcp_retransmit_skb and
 * tcp_retransmit_synack.
 *
 * Each is counted by its reason, and as exactly one of: a silence, emitted, refused, ring_full. */
#include "kernel.h"
#include "tcp_retransmit.h"
#include "compat.bpf.h"
#include "instance.bpf.h"
#include "packet_drops.bpf.h"
#include "socket.bpf.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define AF_INET 2

#define TCP_SYN_SENT 2

/* inet_connection_sock.h and enum tcp_ca_state: the same since 4.x. */
#define ICSK_TIME_LOSS_PROBE 5
#define TCP_CA_RECOVERY	     3
#define TCP_CA_LOSS	     4

const volatile __u16 server_port = 0;

volatile __u64 quiet_port SEC(".data") = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RETRANSMIT_SLOTS);
	__type(key, u32);
	__type(value, u64);
} retransmits SEC(".maps");

/* One segment. `end`: the socket, or the request, that sends it. */
struct segment {
	struct sock *sk;
	struct sock_common *end;
	u32 seq;
	u32 length;
	u32 retransmits;
	u16 reason;
	u8 ca_state;
};

static __always_inline void count(u32 slot)
{
	u64 *value = bpf_map_lookup_elem(&retransmits, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* A probe leaves its timer pending, and goes out only before the loss is believed. What the peer's
 * acknowledgements let out after a timeout belongs to that timeout. */
static __always_inline u16 reason_of(struct inet_connection_sock *icsk, u8 state, u8 ca_state)
{
	if (state == TCP_SYN_SENT)
		return RETRANSMIT_SYN;
	if (ca_state == TCP_CA_LOSS)
		return RETRANSMIT_RTO;
	if (ca_state < TCP_CA_RECOVERY && BPF_CORE_READ(icsk, icsk_pending) == ICSK_TIME_LOSS_PROBE)
		return RETRANSMIT_TLP;
	return RETRANSMIT_FAST;
}

/* Returns the version of IP. */
static __always_inline u16 fill_flow(struct packet_flow *flow, struct sock_common *end)
{
	flow->sport = BPF_CORE_READ(end, skc_num);
	flow->dport = bpf_ntohs(BPF_CORE_READ(end, skc_dport));
	if (BPF_CORE_READ(end, skc_family) == AF_INET) {
		flow->saddr[0] = flow->saddr[1] = flow->daddr[0] = flow->daddr[1] = 0;
		flow->saddr[2] = flow->daddr[2] = bpf_htonl(0xffff);
		flow->saddr[3] = BPF_CORE_READ(end, skc_rcv_saddr);
		flow->daddr[3] = BPF_CORE_READ(end, skc_daddr);
		return 4;
	}
	bpf_core_read(&flow->saddr, sizeof(flow->saddr), &end->skc_v6_rcv_saddr);
	bpf_core_read(&flow->daddr, sizeof(flow->daddr), &end->skc_v6_daddr);
	/* A socket for both speaks IPv4 to such an address. */
	return !flow->daddr[0] && !flow->daddr[1] && flow->daddr[2] == bpf_htonl(0xffff) ? 4 : 6;
}

static __always_inline bool is_own(struct sock_common *end)
{
	u16 sport = BPF_CORE_READ(end, skc_num);
	u16 dport = bpf_ntohs(BPF_CORE_READ(end, skc_dport));
	u16 quiet = quiet_port;

	return (server_port && (sport == server_port || dport == server_port)) ||
	       (quiet && (sport == quiet || dport == quiet));
}

static __always_inline void fill_fate(struct tcp_retransmit_event *event)
{
	struct packet_run run = {};
	struct packet_flow flow = event->flow;

	event->fate = packet_fate_of(&flow, event->seq, event->header.time_ns, &run);
	event->drop_location = run.location;
	__builtin_memcpy(event->drop_reason, run.reason_name, sizeof(event->drop_reason));
}

static __always_inline void emit(const struct segment *segment, struct net *net,
				 const struct cgroup_ref *subject)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct emitter by = instance_emitter();
	struct tcp_retransmit_event *event;
	struct sock_common *end = segment->end;

	event = event_reserve(&by, 0, sizeof(*event), task, subject, subject);
	if (!event)
		return;
	event->netns_cookie = net ? net_cookie_of(net) : 0;
	event->netns_inum = net ? BPF_CORE_READ(net, ns.inum) : 0;
	event->version = fill_flow(&event->flow, end);
	event->seq = segment->seq;
	event->length = segment->length;
	event->retransmits = segment->retransmits;
	event->state = BPF_CORE_READ(end, skc_state);
	event->ca_state = segment->ca_state;
	event->reason = segment->reason;
	event->reserved = 0;
	fill_fate(event);
	event_submit(event);
}

static __always_inline int on_segment(const struct segment *segment)
{
	struct sock *sk = segment->sk;
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	struct cgroup_ref subject;

	count(segment->reason);
	if (is_own(segment->end)) {
		count(RETRANSMIT_SILENT_OWN);
		return 0;
	}
	subject = socket_subject(whole_socket(sk), net);
	if (instance_wants(&subject, bpf_get_current_pid_tgid() >> 32))
		emit(segment, net, &subject);
	else
		count(RETRANSMIT_SILENT_FILTERED);
	return 0;
}

static __always_inline int on_skb(struct sock *sk, struct sk_buff *skb, int err)
{
	struct inet_connection_sock *icsk = (void *)sk;
	struct segment segment = {.sk = sk, .end = &sk->__sk_common};
	struct tcp_skb_cb *cb = (void *)&skb->cb;

	if (err)
		return 0;
	segment.ca_state = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state);
	segment.retransmits = BPF_CORE_READ(icsk, icsk_retransmits);
	segment.seq = BPF_CORE_READ(cb, seq);
	segment.length = BPF_CORE_READ(cb, end_seq) - segment.seq;
	segment.reason =
		reason_of(icsk, BPF_CORE_READ(sk, __sk_common.skc_state), segment.ca_state);
	return on_segment(&segment);
}

static __always_inline int on_synack(struct sock *sk, struct request_sock *request)
{
	struct tcp_request_sock *tcp = (void *)request;
	struct segment segment = {
		.sk = sk,
		.end = &request->__req_common,
		.length = 1,
		.reason = RETRANSMIT_SYNACK,
	};

	segment.seq = BPF_CORE_READ(tcp, snt_isn);
	/* Counted up when it has been sent. */
	segment.retransmits = BPF_CORE_READ(request, num_retrans) + 1;
	return on_segment(&segment);
}

/* Not BPF_PROG: the argument that this kernel does not pass must not be read. */
#define ERR_OF(args) (tcp_retransmit_has_err() ? (int)(args)[2] : 0)

SEC("tp_btf/tcp_retransmit_skb")
int retransmit_skb_btf(unsigned long long *ctx)
{
	return on_skb((void *)ctx[0], (void *)ctx[1], ERR_OF(ctx));
}

SEC("tp_btf/tcp_retransmit_synack")
int retransmit_synack_btf(unsigned long long *ctx)
{
	return on_synack((void *)ctx[0], (void *)ctx[1]);
}

SEC("raw_tp/tcp_retransmit_skb")
int retransmit_skb_raw(struct bpf_raw_tracepoint_args *ctx)
{
	return on_skb((void *)ctx->args[0], (void *)ctx->args[1], ERR_OF(ctx->args));
}

SEC("raw_tp/tcp_retransmit_synack")
int retransmit_synack_raw(struct bpf_raw_tracepoint_args *ctx)
{
	return on_synack((void *)ctx->args[0], (void *)ctx->args[1]);
}
