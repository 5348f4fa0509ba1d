/* SPDX-License-Identifier: GPL-2.0 */
/* Every difference between kernels, decided by what the running kernel's BTF has. */
#ifndef HUATUO_BPF_COMPAT_BPF_H
#define HUATUO_BPF_COMPAT_BPF_H

#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* enum of mm_types_task.h: MM_FILEPAGES and MM_ANONPAGES have been 0 and 1 since they exist. */
#define RSS_FILE 0
#define RSS_ANON 1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct mm_rss_stat___array {
	atomic_long_t count[4];
};
struct mm_struct___array {
	struct mm_rss_stat___array rss_stat;
};
struct task_struct___long_state {
	long state;
};
struct cfs_rq___self {
	u64 throttled_clock_self_time;
};
struct cfs_rq___pelt {
	u64 throttled_clock_pelt_time;
};
struct cfs_rq___task {
	u64 throttled_clock_task_time;
};
#pragma clang attribute pop

/* Pages that `mm` has resident, or `unknown`. Before 6.2 a sum per mm; f1a7941243c1 made it a
 * percpu_counter, whose central value lags by at most its batch on each CPU: the same value that
 * the kernel writes into its own OOM report. */
static __always_inline u64 mm_rss(struct mm_struct *mm, int kind, u64 unknown)
{
	struct mm_struct___array *old = (void *)mm;
	s64 pages = 0;

	if (!mm)
		return unknown;
	if (bpf_core_field_exists(old->rss_stat.count)) {
		if (kind == RSS_FILE)
			pages = BPF_CORE_READ(old, rss_stat.count[RSS_FILE].counter);
		else
			pages = BPF_CORE_READ(old, rss_stat.count[RSS_ANON].counter);
	} else if (bpf_core_field_exists(mm->rss_stat[0].count)) {
		if (kind == RSS_FILE)
			pages = BPF_CORE_READ(mm, rss_stat[RSS_FILE].count);
		else
			pages = BPF_CORE_READ(mm, rss_stat[RSS_ANON].count);
	} else {
		return unknown;
	}
	return pages > 0 ? pages : 0;
}

/* Of sched.h; the same in all kernels since 4.14. */
#define TASK_UNINTERRUPTIBLE 0x0002
#define TASK_STOPPED_BIT     0x0004
#define TASK_TRACED_BIT	     0x0008
#define TASK_WAKEKILL	     0x0100
#define TASK_NOLOAD	     0x0400
#define PF_FROZEN	     0x00010000
#define PF_KTHREAD	     0x00200000

/* Before 5.14 the field is `state`; 2f064a59a11f renamed it to `__state`. Of a task as a program
 * got it, whose type the verifier knows: it is read without a helper call. */
static __always_inline u32 task_state(struct task_struct *task)
{
	struct task_struct___long_state *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return old->state;
}

/* Whether it waits as ps shows with D: neither idle kernel threads nor what a freezer stopped.
 * Since f5d39b020809 in 6.1 a frozen task has a state of its own, and the flag is nobody's; 6.15
 * gave the bit to kcompactd, which is left out there. */
static __always_inline bool task_uninterruptible(struct task_struct *task)
{
	u32 state = task_state(task);

	if (!(state & TASK_UNINTERRUPTIBLE) || (state & TASK_NOLOAD))
		return false;
	return !(task->flags & PF_FROZEN);
}

/* For how long this run queue of a group, or one above it, was throttled so far while tasks were in
 * it. Since 677ea015f231 in 6.6 in the clock of the CPU's run queue. Before, tasks in it or not:
 * since 64eaf50731ac in 6.0 in the clock of load tracking, which is slower while a CPU below its
 * highest frequency is busy; earlier in that clock without the time of interrupts. */
static __always_inline u64 cfs_throttled_ns(struct cfs_rq *cfs)
{
	struct cfs_rq___self *self = (void *)cfs;
	struct cfs_rq___pelt *pelt = (void *)cfs;
	struct cfs_rq___task *task = (void *)cfs;

	if (bpf_core_field_exists(self->throttled_clock_self_time))
		return BPF_CORE_READ(self, throttled_clock_self_time);
	if (bpf_core_field_exists(pelt->throttled_clock_pelt_time))
		return BPF_CORE_READ(pelt, throttled_clock_pelt_time);
	if (bpf_core_field_exists(task->throttled_clock_task_time))
		return BPF_CORE_READ(task, throttled_clock_task_time);
	return 0;
}

/* Whether the task has been asked to make room for another one. BTF does not have the number of the
 * flag. On x86 it was 3 until the generic flags of 29589343488e made it 4. Bit 3 is then that of an
 * OOM victim; bit 4 was that of a task under single step, and from 6.13 on the lazy request: who
 * asks must know better that somebody waits. */
static __always_inline bool task_need_resched(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	const unsigned long flags = 1UL << 3 | 1UL << 4;
#else
	const unsigned long flags = 1UL << 1;
#endif

	return BPF_CORE_READ(task, thread_info.flags) & flags;
}

/* Whether the tracepoint mark_victim passes (task, uid), since 72ba14deb40a in 6.8, instead of the
 * victim's pid alone. The same commit gave its record the uid. */
static __always_inline bool mark_victim_has_task(void)
{
	struct trace_event_raw_mark_victim *record = NULL;

	return bpf_core_field_exists(record->uid);
}

/* Whether kfree_skb passes the reason: since c504e5c2f964 in 5.17. */
static __always_inline bool kfree_skb_has_reason(void)
{
	struct trace_event_raw_kfree_skb *record = NULL;

	return bpf_core_field_exists(record->reason);
}

/* Whether kfree_skb passes the receiving socket: since c53795d48ee8 in 6.11. */
static __always_inline bool kfree_skb_has_rx_sk(void)
{
	struct trace_event_raw_kfree_skb *record = NULL;

	return bpf_core_field_exists(record->rx_sk);
}

/* Whether tcp_retransmit_skb passes what became of the attempt, since 6.17, and is there for those
 * that failed too. */
static __always_inline bool tcp_retransmit_has_err(void)
{
	struct trace_event_raw_tcp_retransmit_skb *record = NULL;

	return bpf_core_field_exists(record->err);
}

/* Whether there is a helper that reads the wall clock, apart from the leap seconds: since
 * c8996c98f703 in 6.1. */
static __always_inline bool has_wall_clock(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ktime_get_tai_ns);
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct net___atomic {
	atomic_long_t net_cookie;
};
struct net___plain {
	u64 net_cookie;
};
#pragma clang attribute pop

/* The cookie of a network namespace, 0 when there is none: before 3d368ab87cf6 in 5.12 it was made
 * only when somebody asked for it. */
static __always_inline u64 net_cookie_of(struct net *net)
{
	struct net___atomic *old = (void *)net;
	struct net___plain *now = (void *)net;

	if (bpf_core_field_exists(now->net_cookie))
		return BPF_CORE_READ(now, net_cookie);
	if (bpf_core_field_exists(old->net_cookie))
		return BPF_CORE_READ(old, net_cookie.counter);
	return 0;
}

/* Whether the tracepoints of direct reclaim pass (gfp_flags, order, memcg), as 7.x does, instead of
 * (order, gfp_flags). The same change gave their records the cgroup. */
static __always_inline bool reclaim_passes_gfp_first(void)
{
	struct trace_event_raw_mm_vmscan_direct_reclaim_begin_template *record = NULL;

	return bpf_core_field_exists(record->memcg_id);
}

#endif
