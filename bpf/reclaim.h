/* SPDX-License-Identifier: GPL-2.0 */
/* Time that tasks, and the kernel for them, spend to find free memory. */
#ifndef HUATUO_BPF_RECLAIM_H
#define HUATUO_BPF_RECLAIM_H

#include "subject.h"

/* Kinds of latency. */
enum reclaim_kind {
	RECLAIM_DIRECT,	    /* a task frees memory itself */
	RECLAIM_ASYNC,	    /* kswapd from its waking to its sleep; a worker for a cgroup's limit */
	RECLAIM_COMPACTION, /* a task moves pages itself, to get some in a row */
	RECLAIM_STALL,	    /* the part of RECLAIM_DIRECT for want of memory of the node */
	RECLAIM_SHARE,	    /* not counted: where the part of RECLAIM_ASYNC for a cgroup begins */
	RECLAIM_KINDS,
};

#endif
