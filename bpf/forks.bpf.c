// SPDX-License-Identifier: GPL-2.0
/* New processes and threads, by the cgroup of who made them. */
#include "kernel.h"
#include "subject.h"
#include "cgroup.bpf.h"
#include "subject.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Counted as the shortest latency; the node's own are in /proc/stat. Not as one of no length: clang
 * makes of an addition of 0 what kernels before 5.12 do not know. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(forks_fork, struct task_struct *parent)
{
	count_cgroup(0, cgroup_cpu(parent), 1);
	return 0;
}
