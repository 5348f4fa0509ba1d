/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_RUNQLAT_MACHINE_BPF_H
#define HUATUO_RUNQLAT_MACHINE_BPF_H

#include "ways.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct___state {
	unsigned int __state;
};
#pragma clang attribute pop

/* The task goes back to the run queue at once: its next wait begins here. */
static __always_inline bool still_runnable(struct task_struct *task)
{
	struct task_struct___state *stated = (void *)task;

	return stated->__state == 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sched_histogram);
} histograms SEC(".maps");

static __always_inline void count_wait(u64 wait_ns)
{
	u32 zero = 0;
	struct sched_histogram *histogram = bpf_map_lookup_elem(&histograms, &zero);

	if (histogram)
		add_wait(histogram, wait_ns);
}

#endif
