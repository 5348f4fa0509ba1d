/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_DROPWATCH_H
#define HUATUO_BPF_DROPWATCH_H

#include "event.h"

/* Reasons as the kernel numbers them: those of the core from 0, those of sub-system s (enum
 * skb_drop_reason_subsys) from s << 16. Each has a slot; beyond the slots they share the last. */
#define DROP_CORE_SLOTS	  256
#define DROP_SUBSYS_SLOTS 128
#define DROP_SUBSYSTEMS	  2
#define DROP_SUBSYS_SHIFT 16
#define DROP_REASON_SLOTS (DROP_CORE_SLOTS + DROP_SUBSYSTEMS * DROP_SUBSYS_SLOTS + 1)
#define DROP_SLOT_OTHER	  (DROP_REASON_SLOTS - 1)
/* The kernel does not tell reasons (before 5.17). */
#define DROP_REASON_UNKNOWN 0xffffffffU
/* A device dropped it; reason_name is that of its trap. */
#define DROP_REASON_TRAP 0xfffffffeU

/* Slots of the same map, behind those of the reasons: why a drop made no record, and the drops of
 * devices. */
enum drop_silence {
	DROP_SILENT_NORMAL = DROP_REASON_SLOTS, /* its reason or its place is of normal life */
	DROP_SILENT_NOT_IP,			/* no reason given, and no IP packet */
	DROP_SILENT_OWN,			/* to or from the apiserver */
	DROP_SILENT_FILTERED,			/* not what the instance was asked for */
	DROP_TRAPPED,				/* a device dropped it, and said so */
	DROP_SLOTS,
};

#define DROP_REASON_LEN 40

/* A function of the kernel in which drops without a reason are normal. */
struct drop_code {
	__u64 begin;
	__u64 bytes;	/* 0: none */
	__u64 only_fin; /* 1: those of TCP packets with FIN */
};
#define DROP_CODES 8

/* What could be read of the packet. */
#define DROP_HAS_ADDRESSES 1
#define DROP_HAS_PORTS	   2
#define DROP_HAS_TCP	   4

/* Addresses in network order, IPv4 as ::ffff:a.b.c.d; all else in the host's. */
struct drop_packet {
	__u32 saddr[4];
	__u32 daddr[4];
	__u32 seq;
	__u32 ack_seq;
	__u32 length; /* from the IP header on; of other packets from where the kernel was */
	__u16 sport;
	__u16 dport;
	__u16 ethertype;
	__u16 queue_mapping;
	__u8 version; /* of IP: 4, 6; else 0 */
	__u8 protocol;
	__u8 tcp_flags;
	__u8 has;
};

/* One dropped packet. header: the current task, which on the receiving side is whoever was
 * interrupted; header.cgroup: of the packet's socket, else its network namespace. */
struct dropwatch_event {
	struct event_header header;
	__u64 location;	    /* 0: a device dropped it */
	__u64 netns_cookie; /* 0: not known */
	struct event_stack stack;
	struct drop_packet packet;
	__u32 reason;
	__u32 netns_inum; /* 0: not known */
	__u32 ifindex;	  /* 0: not known */
	__u32 sk_state;	  /* of the socket, as in TCP; 0: no socket */
	__u32 ack_backlog;
	__u32 max_ack_backlog;
	char netdev[16];		   /* "": not known */
	char reason_name[DROP_REASON_LEN]; /* "": not known */
};

/* Which terms a filter has. */
#define DROP_FILTER_REASON   (1 << 0)
#define DROP_FILTER_NETNS    (1 << 1)
#define DROP_FILTER_DEVICE   (1 << 2)
#define DROP_FILTER_VERSION  (1 << 3)
#define DROP_FILTER_PROTOCOL (1 << 4)
#define DROP_FILTER_SPORT    (1 << 5)
#define DROP_FILTER_DPORT    (1 << 6)
#define DROP_FILTER_PORT     (1 << 7)
#define DROP_FILTER_SRC	     (1 << 8)
#define DROP_FILTER_DST	     (1 << 9)
#define DROP_FILTER_NET	     (1 << 10)
/* Those that need the packet itself. */
#define DROP_FILTER_PACKET ((1 << 11) - DROP_FILTER_VERSION)

struct drop_net {
	__u32 address[4]; /* already masked */
	__u32 mask[4];
};

/* All terms must hold; 0 terms let everything pass. */
struct drop_filter {
	struct drop_net src;
	struct drop_net dst;
	struct drop_net net; /* either end */
	__u64 device[2];     /* the name, zero-filled */
	__u32 terms;
	__u32 reason;
	__u32 netns;
	__u16 sport;
	__u16 dport;
	__u16 port; /* either end */
	__u8 version;
	__u8 protocol;
	__u32 reserved;
};

#endif
