// SPDX-License-Identifier: GPL-2.0
/* Tasks that wait uninterruptibly: a sweep over all of them, and what the kernel's own detector
 * says. Who is hung, and since when, is decided in user space. */
#include "kernel.h"
#include "hungtask.h"
#include "compat.bpf.h"
#include "cgroup.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* 1: the sweep writes stacks too. */
volatile __u32 want_stacks SEC(".data") = 0;

/* What the kernel reports, until the next sweep takes it. khungtaskd reports a task once in each of
 * its periods. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 64);
	__type(value, struct hungtask_task);
} hangs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct emit_counters);
} counters SEC(".maps");

/* Too large for the BPF stack. One of each program: both run in one task at a time, khungtaskd and
 * the collector, but either may be preempted by the other. */
#define SCRATCH_SWEEP 0
#define SCRATCH_HANG  1
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct hungtask_task);
} scratch SEC(".maps");

static __always_inline void fill_task(struct hungtask_task *out, struct task_struct *task)
{
	out->time_ns = bpf_ktime_get_boot_ns();
	out->start_ns = BPF_CORE_READ(task, start_boottime);
	out->switches = BPF_CORE_READ(task, nvcsw) + BPF_CORE_READ(task, nivcsw);
	out->cgroup = cgroup_ref_of(cgroup_cpu(task));
	out->tgid = BPF_CORE_READ(task, tgid);
	out->tid = BPF_CORE_READ(task, pid);
	out->killable = (task_state(task) & TASK_WAKEKILL) != 0;
	BPF_CORE_READ_INTO(&out->comm, task, comm);
}

/* `task` as the program got it: the helper takes no other pointer. */
static __always_inline void fill_stack(struct hungtask_task *out, struct task_struct *task)
{
	long bytes;

	__builtin_memset(out->stack, 0, sizeof(out->stack));
	bytes = bpf_get_task_stack(task, out->stack, sizeof(out->stack), 0);
	out->frames = bytes > 0 ? bytes / sizeof(out->stack[0]) : 0;
}

SEC("iter/task")
int hungtask_sweep(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct hungtask_task *out;
	u32 index = SCRATCH_SWEEP;

	if (!task || !task_uninterruptible(task))
		return 0;
	out = bpf_map_lookup_elem(&scratch, &index);
	if (!out)
		return 0;
	fill_task(out, task);
	if (!want_stacks) {
		bpf_seq_write(ctx->meta->seq, out, __builtin_offsetof(struct hungtask_task, stack));
		return 0;
	}
	fill_stack(out, task);
	bpf_seq_write(ctx->meta->seq, out, sizeof(*out));
	return 0;
}

SEC("tp_btf/sched_process_hang")
int BPF_PROG(hungtask_hang, struct task_struct *task)
{
	struct emit_counters *account;
	struct hungtask_task *out;
	u32 index = SCRATCH_HANG;
	u32 zero = 0;

	out = bpf_map_lookup_elem(&scratch, &index);
	account = bpf_map_lookup_elem(&counters, &zero);
	if (!out || !account)
		return 0;
	fill_task(out, task);
	fill_stack(out, task);
	if (bpf_map_push_elem(&hangs, out, BPF_ANY))
		account->ring_full++;
	return 0;
}
