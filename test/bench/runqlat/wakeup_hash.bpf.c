// SPDX-License-Identifier: GPL-2.0
/* The classic: three hooks, the time of the wakeup in a hash by thread. */
#include "machine.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u64);
} start SEC(".maps");

static __always_inline int enqueue(struct task_struct *task)
{
	u64 now = bpf_ktime_get_ns();
	u32 tid = task->pid;

	if (tid)
		bpf_map_update_elem(&start, &tid, &now, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(hash_wakeup, struct task_struct *task)
{
	return enqueue(task);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(hash_wakeup_new, struct task_struct *task)
{
	return enqueue(task);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(hash_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u32 tid = next->pid;
	u64 *began;

	if (still_runnable(prev))
		enqueue(prev);
	began = bpf_map_lookup_elem(&start, &tid);
	if (!began)
		return 0;
	count_wait(bpf_ktime_get_ns() - *began);
	bpf_map_delete_elem(&start, &tid);
	return 0;
}
