// SPDX-License-Identifier: GPL-2.0
/* One hook, a wait as the growth of the kernel's own sum: the parts before each migration are in
 * it. What it was when the task last ran is kept in storage of the task. Needs 5.11. */
#include "machine.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sched_info___sum {
	unsigned long long run_delay;
};
#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} before SEC(".maps");

SEC("tp_btf/sched_switch")
int BPF_PROG(run_delay_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct sched_info___sum *summed = (void *)&next->sched_info;
	u64 last_part;
	u64 *known;
	u64 sum;

	if (!queued_wait(next, &last_part))
		return 0;
	if ((s64)last_part < 0)
		last_part = 0;
	sum = summed->run_delay + last_part;
	known = bpf_task_storage_get(&before, next, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!known)
		return 0;
	count_wait(*known ? sum - *known : last_part);
	*known = sum;
	return 0;
}
