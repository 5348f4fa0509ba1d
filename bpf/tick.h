/* SPDX-License-Identifier: GPL-2.0 */
/* The shared hot probe on a timer of each CPU: what the CPUs were doing of late, and the two things
 * that only a timer sees: that interrupts were held off, and that a CPU does not schedule. */
#ifndef HUATUO_BPF_TICK_H
#define HUATUO_BPF_TICK_H

#include "event.h"
#include "latency.h"

/* Samples kept of each CPU: at the rate of the probe a little more than the last half second. */
#define TICK_SAMPLES 16

/* As the architecture numbers them in pt_regs; x86 has 21, arm64 34. */
#define TICK_REGISTERS 34

/* Each has an emitter and a threshold of its own. */
#define TICK_WATCH_HARDIRQ  0 /* interrupts held off; a softirq_event */
#define TICK_WATCH_SCHEDULE 1 /* the CPU does not schedule; a softlockup_event */
#define TICK_WATCHES	    2

/* How its unit wants the records; the value of the map `watches`, which user space writes live.
 * threshold_ns 0: closed. */
struct tick_watch {
	__u64 threshold_ns;
	__u64 limit_per_second; /* per cgroup and CPU */
	__u32 instance;		/* for the record's header */
	__u32 unit;		/* for the record's header */
};

/* What a task was found doing in the kernel; all zero in user space. */
struct tick_place {
	struct event_stack stack;
	__u64 registers[TICK_REGISTERS];
};

/* Who ran at a tick that was late, or at which a softirq waited, or the CPU was due to switch; the
 * idle task only when the tick was late. */
struct tick_sample {
	__u64 time_ns; /* CLOCK_MONOTONIC; 0: none yet */
	struct cgroup_ref cgroup;
	__u32 tgid;
	__u32 tid;
	char comm[EVENT_COMM_LEN];
	struct tick_place place;
};

/* Of one CPU; user space clears it before the CPU's timer starts. Two cache lines, so that CPUs do
 * not share one. Times are CLOCK_MONOTONIC. */
struct tick_cpu {
	__u64 first_ns; /* of the first tick: what is older may be from before an absence */
	__u64 last_ns;
	__u64 ticks;
	__u64 kept;	     /* samples written so far; the next goes to kept % TICK_SAMPLES */
	__u64 switches;	     /* of the run queue, as it was at the last tick */
	__u64 waiting_since; /* since when it has been due to switch; 0: it is not */
	__u64 reported;	     /* 1: this wait is */
	__u64 reserved[9];
};

#endif
