// SPDX-License-Identifier: GPL-2.0
/* Counts all tasks by cgroup and state. User space starts a sweep by reading the iterator, which
 * writes nothing, and takes the counts out of the maps when it has come to its end. One sweep at a
 * time, in the task that reads: nothing needs an atomic. */
#include "kernel.h"
#include "tasks.h"
#include "cgroup.bpf.h"
#include "compat.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* So many are looked at; a sweep cannot be interrupted. */
const volatile __u64 max_tasks = 200000;

/* By the cgroup of the cpu controller. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TASKS_CGROUPS);
	__type(key, struct cgroup_ref);
	__type(value, struct task_counts);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct task_sweep);
} sweep SEC(".maps");

/* As /proc tells it, but that what a freezer stopped sleeps. */
static __always_inline u32 kind_of(struct task_struct *task)
{
	u32 state = task_state(task);

	if (state == 0)
		return TASKS_RUNNING;
	if (task_uninterruptible(task))
		return TASKS_UNINTERRUPTIBLE;
	if (state & (TASK_STOPPED_BIT | TASK_TRACED_BIT))
		return TASKS_STOPPED;
	return TASKS_SLEEPING;
}

/* cgroup_cpu(), where the verifier knows the pointer's type: without a helper call for each field.
 */
static __always_inline struct cgroup_ref cgroup_ref_cpu(struct task_struct *task)
{
	struct css_set *set = task->cgroups;
	struct cgroup *cgroup = set->dfl_cgrp;
	struct cgroup_ref ref = {};

	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id)) {
		struct cgroup_subsys_state *css =
			set->subsys[bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id)];

		if (css->cgroup->root->hierarchy_id)
			cgroup = css->cgroup;
	}
	ref.id = cgroup->kn->id;
	ref.hierarchy = cgroup->root->hierarchy_id;
	return ref;
}

static __always_inline void count(struct task_counts *counts, u32 state, bool iowait)
{
	if (state >= TASKS_IOWAIT)
		return;
	counts->state[state]++;
	if (iowait)
		counts->state[TASKS_IOWAIT]++;
}

SEC("iter/task")
int tasks_sweep(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_counts none = {};
	struct task_counts *counts;
	struct task_sweep *all;
	struct cgroup_ref ref;
	u32 zero = 0;
	bool iowait;
	u32 state;

	if (!task || task->exit_state)
		return 0;
	all = bpf_map_lookup_elem(&sweep, &zero);
	if (!all)
		return 0;
	if (all->seen >= max_tasks) {
		all->unseen++;
		return 0;
	}
	all->seen++;
	state = kind_of(task);
	iowait = state == TASKS_UNINTERRUPTIBLE && BPF_CORE_READ_BITFIELD(task, in_iowait);
	count(&all->node, state, iowait);
	ref = cgroup_ref_cpu(task);
	counts = bpf_map_lookup_elem(&cgroups, &ref);
	if (!counts) {
		bpf_map_update_elem(&cgroups, &ref, &none, BPF_NOEXIST);
		counts = bpf_map_lookup_elem(&cgroups, &ref);
	}
	if (counts)
		count(counts, state, iowait);
	else
		all->untracked++;
	return 0;
}
