/* SPDX-License-Identifier: GPL-2.0 */
/* The shared hot probe on sched_switch: run-queue latency as a histogram per subject, behind whom a
 * container's tasks waited, and records of waits over a threshold for each open instance. */
#ifndef HUATUO_BPF_SCHED_H
#define HUATUO_BPF_SCHED_H

#include "event.h"

/* Buckets [0] <= 1 us, [i] <= 2^i us, ..., [24] <= 16.8 s, [25] the rest. */
#define SCHED_BUCKETS 26

/* Who runs or waits. From SCHED_SLOT_OTHER on they are containers. */
#define SCHED_SLOT_UNKNOWN 0   /* ran before the probe was there */
#define SCHED_SLOT_IDLE	   1   /* nobody */
#define SCHED_SLOT_HOST	   2   /* outside every container */
#define SCHED_SLOT_KERNEL  3   /* kernel threads, but those that follow the host directly */
#define SCHED_SLOT_OTHER   4   /* containers that found no slot of their own: `~other` */
#define SCHED_SLOT_FIRST   5   /* from here on: one container each */
#define SCHED_SLOTS	   517 /* 512 containers of their own */

/* What a container's task waited for. OTHER: somebody else's task ran.
 * THROTTLE: the quota of its group was used up. IDLE: nobody ran, as until a sleeping CPU is awake.
 * UNKNOWN: longer ago than the CPU's memory of who ran. */
#define SCHED_BEHIND_OWN      0
#define SCHED_BEHIND_OTHER    1
#define SCHED_BEHIND_THROTTLE 2
#define SCHED_BEHIND_IDLE     3
#define SCHED_BEHIND_UNKNOWN  4
#define SCHED_BEHINDS	      5

/* Pairs of a container and whom it waited for that a node remembers. */
#define SCHED_PAIRS		    512
#define SCHED_PAIR(waiter, culprit) ((waiter) << 16 | (culprit))
#define SCHED_PAIR_WAITER(pair)	    ((pair) >> 16)
#define SCHED_PAIR_CULPRIT(pair)    ((pair)&0xffff)

/* Nothing is observed on a machine that is up for less: so no time is that short since its start.
 */
#define SCHED_SHORT_NS 1000000000ULL

/* Instance 0 is `always`, 1 to 8 are tasks. */
#define SCHED_INSTANCES 9

struct sched_histogram {
	__u64 bucket[SCHED_BUCKETS]; /* counts of each bucket, not cumulative */
	__u64 sum_ns;
	__u64 behind_ns[SCHED_BEHINDS]; /* of containers; together sum_ns */
	__u64 unnamed_ns;		/* of OTHER, whose culprit found no room among the pairs */
	__u64 switches[2]; /* of containers, away from a task: [1] it went to sleep, [0] it had to
			    */
};

/* Of who ran on a CPU the segments before the running one are remembered. */
#define SCHED_SEGMENTS	   256
#define SCHED_PENDING_BITS 4
#define SCHED_CACHE_BITS   6

struct sched_segment {
	__u64 since_ns;
	__u64 slot;
};

struct sched_pending {
	__u64 pair;
	__u64 ns;
};

struct sched_timeline {
	struct sched_segment running;
	__u64 ended; /* how many segments; the newest are in `past` */
	struct sched_segment past[SCHED_SEGMENTS];
	struct sched_pending pending[1 << SCHED_PENDING_BITS];
};

/* The step from one generation of slots to the next: its number stands in the bits in which all
 * addresses of the kernel are the same, so that both fit into one word. */
#define SCHED_GENERATION (1ULL << 48)

/* A css serial number is never used twice, unlike a pointer, and is two loads nearer to the task
 * than the id. `controller`: of the cpu css, which alone says who it is on v1. `unified`: of the v2
 * cgroup, since there the cpu css can be an ancestor's. */
struct sched_cached_slot {
	__u64 controller;
	__u64 unified;
	__u64 generation;
	__u64 slot;
};

/* A wait that is worth a record. The tasks are addresses. */
struct sched_wait {
	__u64 prev;
	__u64 next;
	__u64 slot;
	__u64 wait_ns;
};

/* All that a CPU remembers, so that one lookup finds it. No cache line is two CPUs': an array that
 * can be mapped begins with a page. */
struct sched_cpu {
	struct sched_timeline timeline;
	__u64 set; /* of who runs: the css_set it had when it began to, ^ the generation; 0: none */
	struct sched_cached_slot slot[1 << SCHED_CACHE_BITS];
	struct sched_wait reported;
	struct sched_histogram histogram[SCHED_SLOTS];
} __attribute__((aligned(64)));

/* How one instance wants its sched_delay records; the value of the map `instances`, which user
 * space writes live. threshold_ns 0: closed. */
struct sched_instance {
	__u64 threshold_ns;
	__u64 limit_per_second; /* per cgroup and CPU */
	__u32 slot;		/* only this slot's tasks; ~0 for any */
	__u32 tgid;		/* only this process; 0 for any */
	__u32 instance;		/* for the record's header */
	__u16 unit;		/* for the record's header */
	__u16 containers_only;	/* 1: nothing for tasks of the host */
};

/* A wait that ended. header: the task that waited, with its cpu cgroup. */
struct sched_delay_event {
	struct event_header header;
	struct cgroup_ref previous_cgroup; /* of the task that held the CPU until now */
	__u64 delay_ns;
	__u64 threshold_ns;
	__u32 previous_tgid; /* 0: the CPU was idle */
	__u32 previous_tid;
	char previous_comm[EVENT_COMM_LEN];
};

#endif
