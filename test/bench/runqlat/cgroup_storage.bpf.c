// SPDX-License-Identifier: GPL-2.0
/* One hook; the slot in storage of the v2 cgroup, the histogram in a per-CPU array. Needs 6.2. */
#include "ways.bpf.h"

/* Newer than the headers of Debian 12. */
#define MAP_TYPE_CGRP_STORAGE 32

struct {
	__uint(type, MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u32);
} slot_of SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 514);
	__type(key, u32);
	__type(value, struct sched_histogram);
} histograms SEC(".maps");

SEC("tp_btf/sched_switch")
int BPF_PROG(cgroup_storage_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next)
{
	struct sched_histogram *histogram;
	u64 wait_ns;
	u32 slot = 0;
	u32 *known;

	if (!queued_wait(next, &wait_ns))
		return 0;
	known = bpf_cgrp_storage_get(&slot_of, next->cgroups->dfl_cgrp, 0,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (known)
		slot = *known;
	histogram = bpf_map_lookup_elem(&histograms, &slot);
	if (histogram)
		add_wait(histogram, wait_ns);
	return 0;
}
