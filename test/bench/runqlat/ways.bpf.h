/* SPDX-License-Identifier: GPL-2.0 */
/* What the compared ways have in common: one histogram for the whole machine. */
#ifndef HUATUO_RUNQLAT_WAYS_BPF_H
#define HUATUO_RUNQLAT_WAYS_BPF_H

#include "kernel.h"
#include "sched.h"
#include "histogram.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

static __always_inline void add_wait(struct sched_histogram *histogram, u64 wait_ns)
{
	if ((s64)wait_ns < 0)
		wait_ns = 0;
	histogram->bucket[bucket_of(wait_ns, SCHED_BUCKETS)]++;
	histogram->sum_ns += wait_ns;
}

/* 0 when `next` is the idle task. */
static __always_inline bool queued_wait(struct task_struct *next, u64 *wait_ns)
{
	u64 queued = next->sched_info.last_queued;

	*wait_ns = next->se.cfs_rq->rq->clock - queued;
	return queued != 0;
}

#endif
