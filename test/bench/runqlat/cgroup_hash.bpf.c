// SPDX-License-Identifier: GPL-2.0
/* One hook; a histogram per cgroup in a per-CPU hash by id. */
#include "ways.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 512);
	__type(key, u64);
	__type(value, struct sched_histogram);
} histograms SEC(".maps");

const struct sched_histogram empty = {};

SEC("tp_btf/sched_switch")
int BPF_PROG(cgroup_hash_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct sched_histogram *histogram;
	u64 wait_ns;
	u64 id;

	if (!queued_wait(next, &wait_ns))
		return 0;
	id = next->cgroups->dfl_cgrp->kn->id;
	histogram = bpf_map_lookup_elem(&histograms, &id);
	if (!histogram) {
		bpf_map_update_elem(&histograms, &id, &empty, BPF_NOEXIST);
		histogram = bpf_map_lookup_elem(&histograms, &id);
	}
	if (histogram)
		add_wait(histogram, wait_ns);
	return 0;
}
