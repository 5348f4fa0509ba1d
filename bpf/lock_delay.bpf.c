// SPDX-License-Identifier: GPL-2.0
/* Tasks that slept long for a lock of the kernel, at the tracepoints contention_begin and
 * contention_end (since 5.19; 16edd9b511a1).
 *
 * Spinning is left out, also that of a mutex before its waiter sleeps: it is short, or a
 * softlockup, and most waits end in it. */
#include "kernel.h"
#include "lock_delay.h"
#include "cgroup.bpf.h"
#include "instance.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* The lowest bits of an owner are flags; the first of a rw_semaphore's says that readers have it.
 */
#define OWNER_FLAGS    7UL
#define READERS_OWN_IT 1UL

volatile __u64 threshold_ns SEC(".data") = 100000000;

struct wait {
	struct cgroup_ref holder_cgroup;
	u64 start_ns;
	u64 lock; /* only compared, and told */
	u32 flags;
	u32 holder_tgid;
	u32 holder_tid;
	u32 reserved;
	char holder_comm[EVENT_COMM_LEN];
};

/* By thread id. Not an LRU: who waits longest would go first. Each wait ends, in the task itself.
 * 0.8 MiB. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct wait);
} waits SEC(".maps");

/* How many of `waits` there are. Most ends are those of spin locks, told while the lock is held:
 * they must cost nothing. */
__u64 waiting SEC(".bss") = 0;

/* NULL: not known, or many. */
static __always_inline struct task_struct *holder_of(u64 lock, u32 flags)
{
	struct rw_semaphore *semaphore = (void *)lock;
	struct mutex *mutex = (void *)lock;
	unsigned long owner = 0;

	if (flags & (LOCK_RT | LOCK_PERCPU))
		return NULL;
	if (flags & LOCK_MUTEX && bpf_core_field_exists(mutex->owner))
		owner = BPF_CORE_READ(mutex, owner.counter);
	else if (flags & (LOCK_READ | LOCK_WRITE) && bpf_core_field_exists(semaphore->owner))
		owner = BPF_CORE_READ(semaphore, owner.counter);
	if (!(flags & LOCK_MUTEX) && owner & READERS_OWN_IT)
		return NULL;
	return (void *)(owner & ~OWNER_FLAGS);
}

static __always_inline void remember_holder(struct wait *wait, struct task_struct *holder)
{
	wait->holder_tgid = BPF_CORE_READ(holder, tgid);
	wait->holder_tid = BPF_CORE_READ(holder, pid);
	wait->holder_cgroup = cgroup_ref_of(cgroup_cpu(holder));
	BPF_CORE_READ_INTO(&wait->holder_comm, holder, comm);
}

SEC("tp_btf/contention_begin")
int lock_wait_begin(unsigned long long *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct wait wait = {.lock = ctx[0], .flags = ctx[1]};
	struct task_struct *holder;
	struct wait *now;

	if (wait.flags & LOCK_SPIN)
		return 0;
	/* A mutex whose waiter is woken, and then not given the lock, begins again. */
	now = bpf_map_lookup_elem(&waits, &tid);
	if (now && now->lock == wait.lock)
		return 0;
	wait.start_ns = bpf_ktime_get_ns();
	holder = holder_of(wait.lock, wait.flags);
	if (holder)
		remember_holder(&wait, holder);
	if (bpf_map_update_elem(&waits, &tid, &wait, BPF_ANY))
		event_forgotten(0);
	else if (!now)
		__sync_fetch_and_add(&waiting, 1);
	return 0;
}

static __always_inline void report(void *ctx, const struct wait *wait, u64 delay_ns)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct cgroup_ref cgroup = cgroup_ref_of(cgroup_cpu(task));
	struct emitter by = instance_emitter();
	struct lock_delay_event *event;

	if (!instance_wants(&cgroup, bpf_get_current_pid_tgid() >> 32))
		return;
	event = event_reserve(&by, 0, sizeof(*event), task, &cgroup, &cgroup);
	if (!event)
		return;
	event->holder_cgroup = wait->holder_cgroup;
	event->lock = wait->lock;
	event->delay_ns = delay_ns;
	event->threshold_ns = threshold_ns;
	event->flags = wait->flags;
	event->holder_tgid = wait->holder_tgid;
	event->holder_tid = wait->holder_tid;
	event->reserved = 0;
	__builtin_memcpy(event->holder_comm, wait->holder_comm, sizeof(event->holder_comm));
	__builtin_memset(&event->stack, 0, sizeof(event->stack));
	bpf_get_stack(ctx, &event->stack, sizeof(event->stack), 0);
	event_submit(event);
}

SEC("tp_btf/contention_end")
int lock_wait_end(unsigned long long *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct wait *wait;
	u64 delay_ns;

	if (!waiting)
		return 0;
	wait = bpf_map_lookup_elem(&waits, &tid);
	if (!wait || wait->lock != ctx[0])
		return 0;
	delay_ns = bpf_ktime_get_ns() - wait->start_ns;
	if (delay_ns >= threshold_ns)
		report(ctx, wait, delay_ns);
	bpf_map_delete_elem(&waits, &tid);
	__sync_fetch_and_add(&waiting, -1);
	return 0;
}
