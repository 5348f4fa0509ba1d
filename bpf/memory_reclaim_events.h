/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_MEMORY_RECLAIM_EVENTS_H
#define HUATUO_BPF_MEMORY_RECLAIM_EVENTS_H

#include "event.h"

enum reclaim_scope {
	RECLAIM_GLOBAL = 0,
	RECLAIM_MEMCG = 1,
};

/* A task that spent too much of a window in direct reclaim. header: that task, its memory cgroup.
 * order, gfp, scope and stack are of the reclaim that went over the threshold. */
struct memory_reclaim_event {
	struct event_header header;
	struct event_stack stack;
	__u64 reclaim_ns;   /* in this window */
	__u64 elapsed_ns;   /* since the window began */
	__u64 nr_reclaimed; /* pages, in this window */
	__u32 reclaims;	    /* in this window */
	__u32 order;	    /* 2^order pages were asked for */
	__u32 gfp_flags;    /* as the kernel numbers them */
	__u32 scope;	    /* enum reclaim_scope */
};

#endif
