/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_TCP_RETRANSMIT_H
#define HUATUO_BPF_TCP_RETRANSMIT_H

#include "packet_drops.h"

enum retransmit_reason {
	RETRANSMIT_RTO,
	RETRANSMIT_FAST,
	RETRANSMIT_TLP,
	RETRANSMIT_SYN,
	RETRANSMIT_SYNACK,
	RETRANSMIT_REASONS,
};

/* Why one made no record: slots of the same map, behind those of the reasons. */
enum retransmit_silence {
	RETRANSMIT_SILENT_OWN = RETRANSMIT_REASONS, /* to or from the apiserver */
	RETRANSMIT_SILENT_FILTERED,		    /* not what the instance was asked for */
	RETRANSMIT_SLOTS,
};

/* One segment that was sent again. header: the current task, which is whoever was interrupted by
 * the timer or the acknowledgement; header.cgroup: of the socket, else its network namespace. */
struct tcp_retransmit_event {
	struct event_header header;
	__u64 netns_cookie;	 /* 0: not known */
	struct packet_flow flow; /* as sent */
	__u32 seq;
	__u32 length;	   /* in sequence numbers */
	__u32 retransmits; /* timeouts in a row */
	__u32 netns_inum;
	__u16 version; /* of IP: 4, 6 */
	__u8 state;
	__u8 ca_state;
	__u16 reason;
	__u16 fate; /* enum packet_fate */
	__u32 reserved;
	/* All zero unless dropped here. */
	__u64 drop_location;
	char drop_reason[PACKET_REASON_LEN];
};

#endif
