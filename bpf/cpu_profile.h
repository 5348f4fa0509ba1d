/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_CPU_PROFILE_H
#define HUATUO_BPF_CPU_PROFILE_H

#include "event.h"

/* Frames of one stack, the kernel's default limit (PERF_MAX_STACK_DEPTH). A longer one is cut at
 * its outer end. */
#define CPU_PROFILE_DEPTH 127

/* A stack; its id is a hash of its frames and never 0. */
struct cpu_profile_stack {
	__u64 count;			/* of frames */
	__u64 frame[CPU_PROFILE_DEPTH]; /* innermost first; after `count`: anything */
};

/* What is counted: who ran, and where. A pid is used again, together with its start it is not. */
struct cpu_profile_key {
	struct cgroup_ref cgroup; /* of the cpu controller */
	__u64 kernel_stack;	  /* id; 0: none */
	__u64 user_stack;	  /* id; 0: none */
	__u64 start_ns;		  /* of the process, CLOCK_BOOTTIME */
	__u32 tgid;
	__u32 flags;		   /* CPU_PROFILE_* */
	char comm[EVENT_COMM_LEN]; /* of the process */
};

/* A stack is missing because the map of stacks was full. */
#define CPU_PROFILE_NO_ROOM 1

/* Per CPU. sampled = counted + map_full + map_busy, exactly; counted is the sum of all counts. */
struct cpu_profile_counters {
	__u64 sampled; /* what the instance wants; idle CPUs apart */
	__u64 counted;
	__u64 map_full;
	__u64 map_busy;	  /* another update of this CPU was interrupted */
	__u64 stack_full; /* counted, but without one of its stacks */
};

#endif
