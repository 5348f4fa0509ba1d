/* SPDX-License-Identifier: GPL-2.0 */
/* Which TCP packets were dropped on this host: told by dropwatch, asked by tcp_retransmit. */
#ifndef HUATUO_BPF_PACKET_DROPS_H
#define HUATUO_BPF_PACKET_DROPS_H

#include "event.h"

#define PACKET_FLOWS	  4096
#define PACKET_RUNS	  4
#define PACKET_REASON_LEN 40
/* A segment is sent again after two minutes at the latest (TCP_RTO_MAX). */
#define PACKET_MEMORY_NS 130000000000ULL

/* One direction of a connection. Addresses in network order, IPv4 as ::ffff:a.b.c.d; ports in the
 * host's. Without the network: a packet is dropped in another one than it was sent in. */
struct packet_flow {
	__u32 saddr[4];
	__u32 daddr[4];
	__u16 sport;
	__u16 dport;
};

/* Sequence numbers that were dropped one behind the other, at one place. */
struct packet_run {
	__u64 time_ns; /* CLOCK_BOOTTIME, of the newest */
	__u64 location;
	__u32 seq;
	__u32 length; /* SYN and FIN count as 1; 0: no run */
	char reason_name[PACKET_REASON_LEN];
};

/* Written without a lock: of two packets of one flow that are dropped on two CPUs in the same
 * instant, one may be forgotten. */
struct packet_history {
	__u64 forgotten_ns; /* time of the newest run that gave way to another */
	__u64 next;
	struct packet_run run[PACKET_RUNS];
};

/* CLOCK_BOOTTIME; 0: not. */
struct packet_watch {
	__u64 since_ns;	 /* drops are being told; written by user space */
	__u64 unseen_ns; /* when at last a drop was not looked at */
};

enum packet_fate {
	PACKET_FATE_UNKNOWN,
	PACKET_DROPPED_HERE,
	PACKET_NOT_DROPPED_HERE,
	PACKET_FATES,
};

#endif
