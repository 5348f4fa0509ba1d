// SPDX-License-Identifier: GPL-2.0
/* How long each reclaim and each compaction took, as latencies of the node and of the task's
 * cgroup. */
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
	/* A cgroup over memory.high is brought back by a worker too: whose it was is not told. */
	if (flags_of_current() & PF_WQ_WORKER)
		count_node(RECLAIM_ASYNC, ns);
	else
		count_subject(RECLAIM_DIRECT, cgroup_memory((void *)bpf_get_current_task()), ns);
	return 0;
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
	return begin(RECLAIM_DIRECT, BPF_ANY);
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
	return begin(RECLAIM_ASYNC, BPF_NOEXIST);
}

SEC("tp_btf/mm_vmscan_kswapd_sleep")
int reclaim_kswapd_sleep(void *ctx)
{
	u64 ns = end(RECLAIM_ASYNC);

	if (ns)
		count_node(RECLAIM_ASYNC, ns);
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
