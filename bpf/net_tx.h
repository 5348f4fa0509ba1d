/* SPDX-License-Identifier: GPL-2.0 */
/* How long packets take on their way out, by device. */
#ifndef HUATUO_BPF_NET_TX_H
#define HUATUO_BPF_NET_TX_H

#include "latency.h"

/* Devices of each histogram. What finds no room is counted. */
#define NET_TX_DEVICES 128
/* Packets in queues that are remembered; a power of two. */
#define NET_TX_QUEUED_BITS 12
/* Packets without a stamp that are remembered from their protocol to their driver. */
#define NET_TX_SENT_BITS 13

/* Entries of the map `net_tx_counts`. */
enum net_tx_count {
	NET_TX_NO_ROOM,		      /* of a map of devices */
	NET_TX_OVERWRITTEN,	      /* another packet took its place among those in queues */
	NET_TX_SENT_OVERWRITTEN,      /* among those sent, before a driver had it */
	NET_TX_FORWARDED_OVERWRITTEN, /* the same; its way may have ended at a virtual device */
	NET_TX_BULK,		      /* behind too many others that its queue gave out with it */
	NET_TX_COUNTS,
};

struct net_tx_device {
	char name[16];
};

/* When a packet came into its queue; the address is only compared. */
struct net_tx_queued {
	__u64 packet;
	__u64 since_ns;
};

/* When its protocol gave a packet down. */
struct net_tx_sent {
	__u64 head; /* of its buffer; only compared */
	__u64 since_ns;
	__u32 bytes;	 /* from its network header on */
	__u32 forwarded; /* it goes to a virtual device, which may be the end of its way */
};

#endif
