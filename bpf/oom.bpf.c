// SPDX-License-Identifier: GPL-2.0
/* One record for each process that the kernel chooses to kill for memory.
 *
 * oom_kill_process knows all: the domain, its limit and the victim (`chosen`; since bbbe48029720 in
 * 5.2 no child is sacrificed instead). It runs in the task that hit the limit, under oom_lock.
 * mark_victim is for kernels where that function cannot be probed: it also fires for further
 * members of a memory.oom.group and for victims that were exiting anyway, and knows no domain. */
#include "kernel.h"
#include "oom.h"
#include "compat.bpf.h"
#include "cgroup.bpf.h"
#include "instance.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

static __always_inline void fill_domain(struct oom_event *event, struct oom_control *oc)
{
	struct mem_cgroup *memcg = BPF_CORE_READ(oc, memcg);

	event->constraint = BPF_CORE_READ(oc, constraint);
	event->memcg = cgroup_ref_of(memcg ? BPF_CORE_READ(memcg, css.cgroup) : NULL);
	event->scope = memcg ? OOM_SCOPE_MEMCG : OOM_SCOPE_GLOBAL;
	event->limit_pages =
		memcg ? BPF_CORE_READ(memcg, memory.max) : BPF_CORE_READ(oc, totalpages);
	event->usage_pages = memcg ? BPF_CORE_READ(memcg, memory.usage.counter) : OOM_UNKNOWN_U64;
}

static __always_inline void fill_unknown_domain(struct oom_event *event)
{
	event->constraint = OOM_UNKNOWN_S32;
	event->memcg = (struct cgroup_ref){};
	event->scope = OOM_SCOPE_UNKNOWN;
	event->limit_pages = OOM_UNKNOWN_U64;
	event->usage_pages = OOM_UNKNOWN_U64;
}

static __always_inline void fill_victim(struct oom_event *event, struct task_struct *victim)
{
	/* NULL when the leader has exited before its other threads. */
	struct mm_struct *mm = BPF_CORE_READ(victim, mm);

	event->victim_rss_anon_pages = mm_rss(mm, RSS_ANON, OOM_UNKNOWN_U64);
	event->victim_rss_file_pages = mm_rss(mm, RSS_FILE, OOM_UNKNOWN_U64);
	event->oom_score_adj = BPF_CORE_READ(victim, signal, oom_score_adj);
	BPF_CORE_READ_INTO(&event->victim_comm, victim, comm);
}

static __always_inline void fill_unknown_victim(struct oom_event *event)
{
	event->victim_rss_anon_pages = OOM_UNKNOWN_U64;
	event->victim_rss_file_pages = OOM_UNKNOWN_U64;
	event->oom_score_adj = OOM_UNKNOWN_S32;
	__builtin_memset(event->victim_comm, 0, sizeof(event->victim_comm));
}

/* `oc` and `victim` are NULL when not known. */
static __always_inline int report(struct oom_control *oc, struct task_struct *victim, u32 tgid,
				  u32 mechanism)
{
	struct task_struct *trigger = (void *)bpf_get_current_task();
	struct cgroup_ref trigger_cgroup = cgroup_ref_of(cgroup_memory(trigger));
	struct cgroup_ref victim_cgroup = cgroup_ref_of(victim ? cgroup_memory(victim) : NULL);
	struct emitter by = instance_emitter();
	struct oom_event *event;

	if (!instance_wants(&victim_cgroup, tgid) &&
	    !instance_wants(&trigger_cgroup, bpf_get_current_pid_tgid() >> 32))
		return 0;
	event = event_reserve(&by, 0, sizeof(*event), trigger, &trigger_cgroup,
			      victim ? &victim_cgroup : &trigger_cgroup);
	if (!event)
		return 0;
	event->victim_tgid = tgid;
	event->victim_cgroup = victim_cgroup;
	event->mechanism = mechanism;
	event->killed_count = 1;
	if (oc)
		fill_domain(event, oc);
	else
		fill_unknown_domain(event);
	if (victim)
		fill_victim(event, victim);
	else
		fill_unknown_victim(event);
	event_submit(event);
	return 0;
}

static __always_inline int report_kill(struct oom_control *oc, u32 mechanism)
{
	struct task_struct *victim = BPF_CORE_READ(oc, chosen);

	return report(oc, victim, BPF_CORE_READ(victim, tgid), mechanism);
}

SEC("fentry/oom_kill_process")
int BPF_PROG(oom_fentry, struct oom_control *oc)
{
	return report_kill(oc, OOM_BY_FENTRY);
}

SEC("kprobe/oom_kill_process")
int BPF_KPROBE(oom_kprobe, struct oom_control *oc)
{
	return report_kill(oc, OOM_BY_KPROBE);
}

/* Where only a pid is passed it is the thread's that still has the memory, mostly the leader. The
 * task behind it is known only when it is the current one. */
static __always_inline int report_pid(u32 pid)
{
	u64 current = bpf_get_current_pid_tgid();

	if ((u32)current == pid)
		return report(NULL, (void *)bpf_get_current_task(), current >> 32,
			      OOM_BY_MARK_VICTIM);
	return report(NULL, NULL, pid, OOM_BY_MARK_VICTIM);
}

SEC("raw_tp/mark_victim")
int oom_mark_victim(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *victim = (void *)ctx->args[0];

	if (!mark_victim_has_task())
		return report_pid(ctx->args[0]);
	return report(NULL, victim, BPF_CORE_READ(victim, tgid), OOM_BY_MARK_VICTIM);
}
