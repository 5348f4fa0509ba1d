/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_NET_RX_LATENCY_H
#define HUATUO_BPF_NET_RX_LATENCY_H

#include "dropwatch.h"

/* How far a packet had come. */
enum rx_stage {
	RX_TO_NETIF,
	RX_TO_TCPV4,
	RX_TO_TCPV6,
	RX_TO_UDPV4,
	RX_TO_UDPV6,
	RX_TO_USER,
	RX_STAGES,
};

/* Why a late packet made no record: slots of the same map, behind those of the stages. */
enum rx_silence {
	RX_SILENT_CLOCK_STEP = RX_STAGES, /* the wall clock was set while it was on its way */
	RX_SILENT_IMPLAUSIBLE,		  /* its time stamp is of no clock that we know */
	RX_SILENT_NOT_IP,
	RX_SILENT_OWN,	    /* to or from the apiserver */
	RX_SILENT_FILTERED, /* not what the instance was asked for */
	RX_SLOTS,
};

/* One packet that came late. header: the current task, which is the reader at RX_TO_USER, else
 * whoever was interrupted; header.cgroup: the reader's, else of the socket or the network. */
struct net_rx_latency_event {
	struct event_header header;
	__u64 latency_ns; /* since the packet was stamped */
	__u64 threshold_ns;
	__u64 netns_cookie; /* 0: not known */
	struct drop_packet packet;
	__u32 netns_inum; /* 0: not known */
	__u32 ifindex;	  /* 0: not known */
	__u32 stage;
	__u32 sk_state;	 /* as in TCP; 0: no socket */
	char netdev[16]; /* "": not known */
};

#endif
