// SPDX-License-Identifier: GPL-2.0
/* Counts the stacks that CPUs are found in, at each tick of a perf event per CPU.
 *
 * There are two sets of maps. User space turns `buffer` over, waits for an RCU grace period and
 * then empties the set that is at rest, so that nothing is counted between reading and deleting.
 *
 * Stacks are stored by value under a 64-bit hash, not in a stack-trace map: that one drops every
 * stack that falls on a taken bucket, and it cannot be emptied while it is looked up. The events
 * are timers, which do not interrupt each other on one CPU: what is per CPU needs no atomic. All
 * maps are preallocated, because nothing may be allocated here. */
#include "kernel.h"
#include "cpu_profile.h"
#include "cgroup.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define EEXIST 17
#define E2BIG  7
/* Longer chains of cgroups than this do not reach a wanted one. */
#define CGROUP_DEPTH 16

volatile __u32 buffer SEC(".data") = 0;		/* which set is counted into */
volatile __u32 filter_cgroups SEC(".data") = 0; /* 1: only `wanted_cgroups` and those below them */
volatile __u32 filter_tgid SEC(".data") = 0;	/* only this process; 0 for any */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct cgroup_ref);
	__type(value, __u8);
} wanted_cgroups SEC(".maps");

/* The loader resizes these four. */
struct counts {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct cpu_profile_key);
	__type(value, __u64);
} counts_0 SEC(".maps"), counts_1 SEC(".maps");

struct stacks {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct cpu_profile_stack);
} stacks_0 SEC(".maps"), stacks_1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_profile_counters);
} counters SEC(".maps");

/* Too large for the stack of a program. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_profile_stack);
} scratch SEC(".maps");

static __always_inline bool wanted_cgroup(struct cgroup *cgroup)
{
	for (int i = 0; i < CGROUP_DEPTH && cgroup; i++) {
		struct cgroup_ref ref = cgroup_ref_of(cgroup);

		if (bpf_map_lookup_elem(&wanted_cgroups, &ref))
			return true;
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return false;
}

static __always_inline u64 hash_of(const struct cpu_profile_stack *stack)
{
	u64 hash = stack->count;

	for (u32 i = 0; i < CPU_PROFILE_DEPTH; i++) {
		if (i >= stack->count)
			break;
		/* The multiplication only carries upwards; the rotation brings it back down. */
		hash = (hash ^ stack->frame[i]) * 0x9e3779b97f4a7c15ULL;
		hash = hash << 27 | hash >> 37;
	}
	return hash ? hash : 1;
}

/* False when there is no room. */
static __always_inline bool keep(void *stacks, u64 id, const struct cpu_profile_stack *stack)
{
	long error;

	if (bpf_map_lookup_elem(stacks, &id))
		return true;
	error = bpf_map_update_elem(stacks, &id, stack, BPF_NOEXIST);
	return !error || error == -EEXIST;
}

/* The id of the current stack, stored; 0 when there is none or no room for it. */
static __always_inline u64 store_stack(void *ctx, bool second, u64 flags,
				       struct cpu_profile_stack *stack, u32 *missing)
{
	long bytes = bpf_get_stack(ctx, stack->frame, sizeof(stack->frame), flags);
	bool kept;
	u64 id;

	if (bytes <= 0)
		return 0;
	stack->count = (u64)bytes / sizeof(stack->frame[0]);
	id = hash_of(stack);
	if (second)
		kept = keep(&stacks_1, id, stack);
	else
		kept = keep(&stacks_0, id, stack);
	if (kept)
		return id;
	*missing = CPU_PROFILE_NO_ROOM;
	return 0;
}

/* 0 or a negative errno. */
static __always_inline long add_one(void *counts, const struct cpu_profile_key *key)
{
	u64 one = 1;
	u64 *count = bpf_map_lookup_elem(counts, key);
	long error = 0;

	if (!count) {
		error = bpf_map_update_elem(counts, key, &one, BPF_NOEXIST);
		if (error != -EEXIST)
			return error;
		/* Another CPU was first. */
		count = bpf_map_lookup_elem(counts, key);
		if (!count)
			return error;
	}
	__sync_fetch_and_add(count, 1);
	return 0;
}

static __always_inline void fill_process(struct cpu_profile_key *key, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	key->cgroup = cgroup_ref_of(cgroup_cpu(task));
	key->start_ns = BPF_CORE_READ(leader, start_boottime);
	BPF_CORE_READ_INTO(&key->comm, leader, comm);
}

SEC("perf_event")
int cpu_profile_sample(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct cpu_profile_counters *account;
	struct cpu_profile_stack *stack;
	struct cpu_profile_key key = {};
	bool second = buffer;
	u32 zero = 0;
	long error;

	/* The idle task; the events leave it out themselves where they can. */
	if (!(u32)pid_tgid)
		return 0;
	key.tgid = pid_tgid >> 32;
	if (filter_tgid && filter_tgid != key.tgid)
		return 0;
	if (filter_cgroups && !wanted_cgroup(cgroup_cpu(task)))
		return 0;
	account = bpf_map_lookup_elem(&counters, &zero);
	stack = bpf_map_lookup_elem(&scratch, &zero);
	if (!account || !stack)
		return 0;
	account->sampled++;
	fill_process(&key, task);
	key.kernel_stack = store_stack(ctx, second, 0, stack, &key.flags);
	key.user_stack = store_stack(ctx, second, BPF_F_USER_STACK, stack, &key.flags);
	if (second)
		error = add_one(&counts_1, &key);
	else
		error = add_one(&counts_0, &key);
	if (!error)
		account->counted++;
	else if (error == -E2BIG)
		account->map_full++;
	else
		account->map_busy++;
	if (!error && key.flags)
		account->stack_full++;
	return 0;
}
