/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_SOFTIRQ_H
#define HUATUO_BPF_SOFTIRQ_H

#include "event.h"
#include "latency.h"
#include "tick.h"

#define SOFTIRQ_VECTORS 10
/* Enough to see by whom the softirq was called. */
#define SOFTIRQ_CALLERS 12

enum softirq_kind {
	SOFTIRQ_KIND_SOFT = 0,
	SOFTIRQ_KIND_HARD = 1,
};

/* Of one softirq on one CPU. */
struct softirq_vector {
	struct latency latency; /* from its raise to its run */
	__u64 run_ns;		/* that it has run, with the hard interrupts meanwhile */
	__u64 raised_ns;	/* when it was raised first; 0: it is not pending */
	__u64 entered_ns;	/* when it began to run; 0: it does not */
};

/* Something was held off on a CPU. header: the culprit, which is the task found most often at the
 * ticks of that time; the current task when there were none. */
struct softirq_event {
	struct event_header header;
	__u64 now_ns; /* CLOCK_MONOTONIC, the end */
	__u64 off_ns;
	__u64 threshold_ns;
	__u64 caller[SOFTIRQ_CALLERS]; /* stack in which the softirq ran at last; 0 after the last
					*/
	struct tick_place place;       /* of the culprit, at its newest tick */
	__u32 kind;		       /* enum softirq_kind */
	__u32 vector;		       /* held off the longest; of kind soft */
	__u32 vectors;		       /* a bit for each that was held off together with it */
	__u32 samples;		       /* ticks in that time */
	__u32 culprit_samples;	       /* those that found the culprit */
	__u32 reserved;
};

#endif
