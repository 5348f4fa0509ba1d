// SPDX-License-Identifier: GPL-2.0
/* Three hooks, the time of the wakeup in storage of the task itself. Needs 5.11. */
#include "machine.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} start SEC(".maps");

static __always_inline int enqueue(struct task_struct *task)
{
	u64 *began = bpf_task_storage_get(&start, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (began)
		*began = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(storage_wakeup, struct task_struct *task)
{
	return enqueue(task);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(storage_wakeup_new, struct task_struct *task)
{
	return enqueue(task);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(storage_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u64 *began;

	if (still_runnable(prev) && prev->pid)
		enqueue(prev);
	began = bpf_task_storage_get(&start, next, 0, 0);
	if (!began || *began == 0)
		return 0;
	count_wait(bpf_ktime_get_ns() - *began);
	*began = 0;
	return 0;
}
