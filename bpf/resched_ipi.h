/* SPDX-License-Identifier: GPL-2.0 */
/* How long interrupts that ask a CPU to schedule were under way. */
#ifndef HUATUO_BPF_RESCHED_IPI_H
#define HUATUO_BPF_RESCHED_IPI_H

#include "latency.h"

/* From this on one is late. */
#define RESCHED_IPI_LATE_NS 1000000

/* Of one CPU that is asked. A cache line of its own: any CPU may write it. */
struct resched_ipi_cpu {
	__u64 sent_ns; /* when the first one was sent that has not arrived; 0: none */
	__u64 reserved[7];
};

struct resched_ipi {
	struct latency latency;
	__u64 idle;	 /* those that found the CPU idle: its interrupts were on */
	__u64 idle_late; /* those of them that were late */
};

#endif
