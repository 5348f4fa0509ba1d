// SPDX-License-Identifier: GPL-2.0
/* How long each reclaim and each compaction took, as latencies of the node and of the task's
 * cgroup; and how much of what kswapd and workers do is for the memory of which cgroup.
 *
 * These go through the cgroups one after another, and vmpressure() is called after each, in a unit
 * of the kernel's own, so that no compiler inlines it: the time since the call before, or since the
 * work began, is that cgroup's. */
#include "kernel.h"
#include "reclaim.h"
#include "cgroup.bpf.h"
#include "subject.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Of sched.h. */
#define PF_WQ_WORKER 0x00000020
#define PF_KTHREAD   0x00200000

/* Whether vmpressure() gets (gfp, order, memcg, ...) instead of (gfp, memcg, ...):
 * since 7.x. BPF programs cannot ask how many arguments a function has. */
const volatile __u32 vmpressure_has_order = 0;

/* When the thread began, by what it does: a compaction can run within a reclaim. Only who is at it
 * matters: the others may be evicted. */
struct begun_key {
	u32 tid;
	u32 kind;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct begun_key);
	__type(value, u64);
} begun SEC(".maps");

static __always_inline u32 flags_of_current(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, flags);
}

static __always_inline int begin(u32 kind, u64 flag)
{
	struct begun_key key = {.tid = bpf_get_current_pid_tgid(), .kind = kind};
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&begun, &key, &now, flag);
	return 0;
}

static __always_inline void forget(u32 kind)
{
	struct begun_key key = {.tid = bpf_get_current_pid_tgid(), .kind = kind};

	bpf_map_delete_elem(&begun, &key);
}

/* The latency of what began; 0 when that was before the program was attached. */
static __always_inline u64 end(u32 kind)
{
	struct begun_key key = {.tid = bpf_get_current_pid_tgid(), .kind = kind};
	u64 *since = bpf_map_lookup_elem(&begun, &key);
	u64 ns;

	if (!since)
		return 0;
	ns = bpf_ktime_get_ns() - *since;
	bpf_map_delete_elem(&begun, &key);
	return ns ? ns : 1;
}

/* `node_is_short`: not only the task's cgroup. */
static __always_inline int end_reclaim(bool node_is_short)
{
	u64 ns = end(RECLAIM_DIRECT);

	if (!ns)
		return 0;
	if (node_is_short)
		count_subject(RECLAIM_STALL, cgroup_memory((void *)bpf_get_current_task()), ns);
	/* A cgroup over memory.high is brought back by a worker too. */
	if (flags_of_current() & PF_WQ_WORKER) {
		count_node(RECLAIM_ASYNC, ns);
		forget(RECLAIM_SHARE);
	} else {
		count_subject(RECLAIM_DIRECT, cgroup_memory((void *)bpf_get_current_task()), ns);
	}
	return 0;
}

/* `memcg`: whose memory has been gone through; NULL for all of them together. */
static __always_inline int share(struct mem_cgroup *memcg)
{
	struct begun_key key = {.kind = RECLAIM_SHARE};
	u64 *since;
	u64 now;
	u64 ns;

	if (!(flags_of_current() & PF_KTHREAD))
		return 0;
	key.tid = bpf_get_current_pid_tgid();
	since = bpf_map_lookup_elem(&begun, &key);
	if (!since)
		return 0;
	now = bpf_ktime_get_ns();
	ns = now - *since;
	*since = now;
	if (memcg)
		count_cgroup(RECLAIM_ASYNC, BPF_CORE_READ(memcg, css.cgroup), ns);
	return 0;
}

/* Both arguments are loaded before one is chosen: the verifier knows the context only at constant
 * offsets. */
static __always_inline int on_vmpressure(u64 second, u64 third)
{
	asm volatile("" : "+r"(second), "+r"(third));
	return share((void *)(vmpressure_has_order ? third : second));
}

SEC("fentry/vmpressure")
int reclaim_share_fentry(unsigned long long *ctx)
{
	return on_vmpressure(ctx[1], ctx[2]);
}

SEC("kprobe/vmpressure")
int reclaim_share_kprobe(struct pt_regs *ctx)
{
	return on_vmpressure(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int reclaim_begin(void *ctx)
{
	return begin(RECLAIM_DIRECT, BPF_ANY);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int reclaim_end(void *ctx)
{
	return end_reclaim(true);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int reclaim_memcg_begin(void *ctx)
{
	begin(RECLAIM_DIRECT, BPF_ANY);
	/* After it: no part may be more than the whole. */
	if (flags_of_current() & PF_WQ_WORKER)
		begin(RECLAIM_SHARE, BPF_ANY);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int reclaim_memcg_end(void *ctx)
{
	return end_reclaim(false);
}

/* Told at each new round of its work as well: it counts from the first one. */
SEC("tp_btf/mm_vmscan_kswapd_wake")
int reclaim_kswapd_wake(void *ctx)
{
	begin(RECLAIM_ASYNC, BPF_NOEXIST);
	return begin(RECLAIM_SHARE, BPF_ANY);
}

SEC("tp_btf/mm_vmscan_kswapd_sleep")
int reclaim_kswapd_sleep(void *ctx)
{
	u64 ns = end(RECLAIM_ASYNC);

	if (ns)
		count_node(RECLAIM_ASYNC, ns);
	forget(RECLAIM_SHARE);
	return 0;
}

/* kcompactd and kswapd compact in the background: nobody waits for them. */
SEC("tp_btf/mm_compaction_begin")
int reclaim_compaction_begin(void *ctx)
{
	if (flags_of_current() & PF_KTHREAD)
		return 0;
	return begin(RECLAIM_COMPACTION, BPF_ANY);
}

SEC("tp_btf/mm_compaction_end")
int reclaim_compaction_end(void *ctx)
{
	u64 ns = end(RECLAIM_COMPACTION);

	if (ns)
		count_subject(RECLAIM_COMPACTION, cgroup_memory((void *)bpf_get_current_task()),
			      ns);
	return 0;
}
