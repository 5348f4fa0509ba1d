/* SPDX-License-Identifier: GPL-2.0 */
/* How long the requests of each disk took, by stage and operation. */
#ifndef HUATUO_BPF_BLOCK_H
#define HUATUO_BPF_BLOCK_H

#include "latency.h"
#include "subject.h"

/* Disks times operations. What finds no room is counted. */
#define BLOCK_KEYS 512

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_OTHER,
	BLOCK_OPS,
};

/* Entries of the map `block_counts`. */
enum block_count {
	BLOCK_UNSTAMPED,    /* the kernel did not note when: no time is known */
	BLOCK_UNDISPATCHED, /* it noted the begin, but not when the driver got it */
	BLOCK_NO_ROOM,	    /* of the map */
	BLOCK_COUNTS,
};

/* What is counted by cgroup too: the stages of reads and writes. */
enum block_stage {
	BLOCK_Q2C,
	BLOCK_Q2D,
	BLOCK_D2C,
	BLOCK_STAGES,
};
#define BLOCK_KIND(op, stage) ((op)*BLOCK_STAGES + (stage))

struct block_key {
	__u32 major;
	__u32 minor;
	__u32 op;
};

/* q: the request was made; d: the driver got it; c: it was complete. */
struct block_latency {
	struct latency q2c;
	struct latency q2d;
	struct latency d2c;
};

#endif
