// SPDX-License-Identifier: GPL-2.0
/* One hook, the kernel's own time stamp, one histogram for the machine. */
#include "machine.bpf.h"

SEC("tp_btf/sched_switch")
int BPF_PROG(queued_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u64 wait_ns;

	if (queued_wait(next, &wait_ns))
		count_wait(wait_ns);
	return 0;
}
