// SPDX-License-Identifier: GPL-2.0
/* New processes and threads, by the cgroup of who made them. */
#include "kernel.h"
#include "subject.h"
#include "cgroup.bpf.h"
#include "subject.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Counted as latencies of no length: the node's own are in /proc/stat. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(forks_fork, struct task_struct *parent)
{
	count_cgroup(0, cgroup_cpu(parent), 0);
	return 0;
}
