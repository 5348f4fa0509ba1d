/* SPDX-License-Identifier: GPL-2.0 */
/* In what state tasks are: a sweep counts them by cgroup. */
#ifndef HUATUO_BPF_TASKS_H
#define HUATUO_BPF_TASKS_H

#include "event.h"

#define TASKS_RUNNING	      0
#define TASKS_UNINTERRUPTIBLE 1
#define TASKS_SLEEPING	      2
#define TASKS_STOPPED	      3
#define TASKS_IOWAIT	      4 /* of the uninterruptible */
#define TASKS_STATES	      5

/* Cgroups with tasks that a sweep can tell apart. */
#define TASKS_CGROUPS 4096

struct task_counts {
	__u32 state[TASKS_STATES];
	__u32 reserved;
};

/* What a sweep leaves beside the counts by cgroup. */
struct task_sweep {
	struct task_counts node; /* all tasks */
	__u64 seen;
	__u64 untracked; /* in `node` only, as there was no room for their cgroup */
	__u64 unseen;	 /* not even looked at, being beyond the limit */
};

#endif
