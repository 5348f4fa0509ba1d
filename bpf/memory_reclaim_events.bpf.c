// SPDX-License-Identifier: GPL-2.0
/* Tasks that spend their time freeing memory instead of working: direct reclaim, of the machine and
 * of a memory cgroup.
 *
 * A window begins with a task's first reclaim and is `window_ns` long; a reclaim belongs whole to
 * the window in which it began, so that a single long one is never split. Over the threshold the
 * task makes a record and its next reclaim begins a new window: at most one record for each
 * `threshold_ns` that a task really lost. */
#include "kernel.h"
#include "memory_reclaim_events.h"
#include "compat.bpf.h"
#include "cgroup.bpf.h"
#include "instance.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

volatile __u64 threshold_ns SEC(".data") = 900000000;
volatile __u64 window_ns SEC(".data") = 1000000000;

struct reclaim_window {
	u64 start_ns; /* 0: the next reclaim begins a new one */
	u64 began_ns; /* of the reclaim in progress; 0: none is */
	u64 spent_ns;
	u64 nr_reclaimed;
	u32 reclaims;
	u32 order;
	u32 gfp_flags;
	u32 reserved;
};

/* By thread id. Only who was in reclaim lately matters: the others may be evicted. 0.5 MiB. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct reclaim_window);
} windows SEC(".maps");

static __always_inline int on_begin(u32 order, u32 gfp_flags)
{
	u64 now = bpf_ktime_get_ns();
	u32 tid = bpf_get_current_pid_tgid();
	struct reclaim_window first = {
		.start_ns = now, .began_ns = now, .order = order, .gfp_flags = gfp_flags};
	struct reclaim_window *window = bpf_map_lookup_elem(&windows, &tid);

	if (!window || !window->start_ns || now - window->start_ns >= window_ns) {
		bpf_map_update_elem(&windows, &tid, &first, BPF_ANY);
		return 0;
	}
	window->began_ns = now;
	window->order = order;
	window->gfp_flags = gfp_flags;
	return 0;
}

static __always_inline void report(void *ctx, const struct reclaim_window *window, u64 now,
				   u32 scope)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct cgroup_ref cgroup = cgroup_ref_of(cgroup_memory(task));
	struct emitter by = instance_emitter();
	struct memory_reclaim_event *event;

	if (!instance_wants(&cgroup, bpf_get_current_pid_tgid() >> 32))
		return;
	event = event_reserve(&by, 0, sizeof(*event), task, &cgroup, &cgroup);
	if (!event)
		return;
	event->reclaim_ns = window->spent_ns;
	event->elapsed_ns = now - window->start_ns;
	event->nr_reclaimed = window->nr_reclaimed;
	event->reclaims = window->reclaims;
	event->order = window->order;
	event->gfp_flags = window->gfp_flags;
	event->scope = scope;
	__builtin_memset(&event->stack, 0, sizeof(event->stack));
	bpf_get_stack(ctx, &event->stack, sizeof(event->stack), 0);
	event_submit(event);
}

/* A reclaim that had begun before the program was attached has no window, and is left out. */
static __always_inline int on_end(void *ctx, u64 nr_reclaimed, u32 scope)
{
	u64 now = bpf_ktime_get_ns();
	u32 tid = bpf_get_current_pid_tgid();
	struct reclaim_window *window = bpf_map_lookup_elem(&windows, &tid);

	if (!window || !window->began_ns)
		return 0;
	window->spent_ns += now - window->began_ns;
	window->began_ns = 0;
	window->nr_reclaimed += nr_reclaimed;
	window->reclaims++;
	if (window->spent_ns <= threshold_ns)
		return 0;
	report(ctx, window, now, scope);
	window->start_ns = 0;
	return 0;
}

/* Both arguments are loaded before one is chosen: the verifier knows the context only at constant
 * offsets. */
static __always_inline int on_begin_of(unsigned long long *ctx)
{
	u64 first = ctx[0], second = ctx[1];

	asm volatile("" : "+r"(first), "+r"(second));
	if (reclaim_passes_gfp_first())
		return on_begin(second, first);
	return on_begin(first, second);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int reclaim_global_begin(unsigned long long *ctx)
{
	return on_begin_of(ctx);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int reclaim_global_end(unsigned long long *ctx)
{
	return on_end(ctx, ctx[0], RECLAIM_GLOBAL);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int reclaim_memcg_begin(unsigned long long *ctx)
{
	return on_begin_of(ctx);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int reclaim_memcg_end(unsigned long long *ctx)
{
	return on_end(ctx, ctx[0], RECLAIM_MEMCG);
}
