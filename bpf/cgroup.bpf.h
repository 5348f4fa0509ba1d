/* SPDX-License-Identifier: GPL-2.0 */
/* The cgroup of a task, one function per controller.
 *
 * On cgroup v1 each controller has a hierarchy of its own. A controller that is on the default
 * hierarchy (v2) may be enabled only above the task's cgroup, and subsys[] then names the ancestor:
 * there the task's one cgroup of v2 is the answer. Safe for any task pointer, in any program type.
 */
#ifndef HUATUO_BPF_CGROUP_BPF_H
#define HUATUO_BPF_CGROUP_BPF_H

#include "kernel.h"
#include "event.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* All zero when `cgroup` is NULL. */
static __always_inline struct cgroup_ref cgroup_ref_of(struct cgroup *cgroup)
{
	struct cgroup_ref ref = {};

	if (!cgroup)
		return ref;
	ref.id = BPF_CORE_READ(cgroup, kn, id);
	ref.hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
	return ref;
}

static __always_inline struct cgroup *cgroup_default(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

static __always_inline struct cgroup *cgroup_by_subsys(struct task_struct *task, u64 subsys)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *css = NULL;
	struct cgroup *cgroup;

	bpf_core_read(&css, sizeof(css), &set->subsys[subsys]);
	cgroup = BPF_CORE_READ(css, cgroup);
	if (!cgroup || BPF_CORE_READ(cgroup, root, hierarchy_id) == 0)
		return BPF_CORE_READ(set, dfl_cgrp);
	return cgroup;
}

/* A kernel built without the controller has no such enumerator. */
#define CGROUP_BY(task, subsys)                                                                    \
	(bpf_core_enum_value_exists(enum cgroup_subsys_id, subsys)                                 \
		 ? cgroup_by_subsys(task, bpf_core_enum_value(enum cgroup_subsys_id, subsys))      \
		 : cgroup_default(task))

static __always_inline struct cgroup *cgroup_cpu(struct task_struct *task)
{
	return CGROUP_BY(task, cpu_cgrp_id);
}

/* Of the css of the cpu controller; 0 when there is none. Never used twice, unlike its address.
 * `typed`: `set` is of a tp_btf program, and followed without a helper call; a constant. */
static __always_inline u64 cgroup_cpu_serial(bool typed, struct css_set *set)
{
	struct cgroup_subsys_state *css = NULL;
	u64 index;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id))
		return 0;
	index = bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
	if (typed)
		return set->subsys[index]->serial_nr;
	bpf_core_read(&css, sizeof(css), &set->subsys[index]);
	return BPF_CORE_READ(css, serial_nr);
}

static __always_inline struct cgroup *cgroup_memory(struct task_struct *task)
{
	return CGROUP_BY(task, memory_cgrp_id);
}

static __always_inline struct cgroup *cgroup_blkio(struct task_struct *task)
{
	return CGROUP_BY(task, io_cgrp_id);
}

#endif
