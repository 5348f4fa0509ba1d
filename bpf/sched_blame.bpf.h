/* SPDX-License-Identifier: GPL-2.0 */
/* Behind whom a container's task waited.
 *
 * A wait begins and ends in the time of one CPU, as a migration closes it. So each CPU remembers
 * who ran on it since when, and a wait is cut along these segments. Most waits lie within the
 * newest one: a comparison. Neighbours of one slot are one segment.
 *
 * All of it is one CPU's and runs with interrupts off. */
#ifndef HUATUO_BPF_SCHED_BLAME_BPF_H
#define HUATUO_BPF_SCHED_BLAME_BPF_H

#include "kernel.h"
#include "sched.h"
#include "cgroup.bpf.h"
#include "compat.bpf.h"

/* A pair's time goes to the shared map when it is this much. */
#define PENDING_NS 1000000
/* From this on a wait may have been throttled: the kernel's least period of a quota. */
#define LONG_WAIT_NS 1000000

/* By CPU; the loader resizes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sched_cpu);
} memory SEC(".maps");

/* Nanoseconds by SCHED_PAIR. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHED_PAIRS);
	__type(key, u32);
	__type(value, u64);
} culprits SEC(".maps");

struct throttle_key {
	u64 serial; /* of the cpu css */
	u64 cpu;
};

struct throttle {
	u64 seen_ns; /* of the kernel's sum */
	u64 ns;	     /* what had been added to it when somebody ran again */
	u64 until_ns;
};

/* Forgetting one counts at most one wait wrong. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct throttle_key);
	__type(value, struct throttle);
} throttles SEC(".maps");

static __always_inline struct sched_cpu *cpu_of(u32 number)
{
	return bpf_map_lookup_elem(&memory, &number);
}

/* No slot is that high. Opaque to the compiler around the check, or it would multiply first, which
 * no verifier follows. */
static __always_inline struct sched_histogram *histogram_of(struct sched_cpu *cpu, u64 slot)
{
	asm volatile("" : "+r"(slot));
	if (slot >= SCHED_SLOTS)
		return NULL;
	asm volatile("" : "+r"(slot));
	return &cpu->histogram[slot];
}

static __always_inline void begin_segment(struct sched_timeline *line, u64 slot, u64 now)
{
	line->past[line->ended++ & (SCHED_SEGMENTS - 1)] = line->running;
	line->running.since_ns = now;
	line->running.slot = slot;
}

static __noinline int hand_over(struct sched_pending *pending)
{
	u32 pair = pending->pair;
	u64 ns = pending->ns;
	struct sched_histogram *histogram;
	struct sched_cpu *cpu;
	u64 *sum;

	pending->ns = 0;
	if (!ns)
		return 0;
	sum = bpf_map_lookup_elem(&culprits, &pair);
	if (!sum) {
		if (!bpf_map_update_elem(&culprits, &pair, &ns, BPF_NOEXIST))
			return 0;
		/* Another CPU was first, or there is no room. */
		sum = bpf_map_lookup_elem(&culprits, &pair);
	}
	if (sum) {
		__sync_fetch_and_add(sum, ns);
		return 0;
	}
	cpu = cpu_of(bpf_get_smp_processor_id());
	histogram = cpu ? histogram_of(cpu, SCHED_PAIR_WAITER(pair)) : NULL;
	if (histogram)
		histogram->unnamed_ns += ns;
	return 0;
}

/* Sums up short times where no map has to be asked; at most PENDING_NS of a pair and CPU stay. */
static __always_inline void name_culprit(struct sched_timeline *line, u32 waiter, u32 culprit,
					 u64 ns)
{
	u32 pair = SCHED_PAIR(waiter, culprit);
	struct sched_pending *pending =
		&line->pending[pair * 0x9e3779b1U >> (32 - SCHED_PENDING_BITS)];

	if (pending->pair != pair) {
		hand_over(pending);
		pending->pair = pair;
	}
	pending->ns += ns;
	if (pending->ns >= PENDING_NS)
		hand_over(pending);
}

/* Beside the slot of who waited: some of the wait, and has been taken away from its beginning. */
#define THROTTLED 0x10000

static __always_inline void count_behind(struct sched_timeline *line,
					 struct sched_histogram *histogram, u32 waiter, u32 culprit,
					 u64 ns)
{
	u32 slot = waiter & 0xffff;

	if (culprit == slot) {
		histogram->behind_ns[SCHED_BEHIND_OWN] += ns;
	} else if (culprit == SCHED_SLOT_IDLE) {
		if (waiter & THROTTLED)
			histogram->behind_ns[SCHED_BEHIND_THROTTLE] += ns;
		else
			histogram->behind_ns[SCHED_BEHIND_IDLE] += ns;
	} else if (culprit == SCHED_SLOT_UNKNOWN) {
		histogram->behind_ns[SCHED_BEHIND_UNKNOWN] += ns;
	} else {
		histogram->behind_ns[SCHED_BEHIND_OTHER] += ns;
		name_culprit(line, slot, culprit, ns);
	}
}

/* Counts what lies within [from, until) of the segment that is `back` steps behind the running one,
 * which ends with `until`; returns where it begins. `waiter`: slot, and THROTTLED.
 * Global and of numbers alone, so that the verifier looks at it once, and not in each turn of the
 * loop; before 5.12 it knows no pointers there. */
__noinline u64 count_segment(u32 number, u32 back, u32 waiter, u64 from, u64 until)
{
	struct sched_cpu *cpu = cpu_of(number);
	struct sched_histogram *histogram = cpu ? histogram_of(cpu, waiter & 0xffff) : NULL;
	const struct sched_segment *segment;
	struct sched_timeline *line;
	u64 since;

	if (!histogram)
		return from;
	line = &cpu->timeline;
	segment = back ? &line->past[(line->ended - back) & (SCHED_SEGMENTS - 1)] : &line->running;
	since = segment->since_ns < from ? from : segment->since_ns;
	count_behind(line, histogram, waiter, segment->slot, until - since);
	return since;
}

/* The rest of a wait that began before the running segment, from there back. */
__noinline int cut_wait(u32 number, u32 waiter, u64 from, u64 until)
{
	struct sched_histogram *histogram;
	struct sched_cpu *cpu;

	for (u32 back = 1; back <= SCHED_SEGMENTS; back++) {
		until = count_segment(number, back, waiter, from, until);
		if (until <= from)
			return 0;
	}
	cpu = cpu_of(number);
	histogram = cpu ? histogram_of(cpu, waiter & 0xffff) : NULL;
	if (histogram)
		histogram->behind_ns[SCHED_BEHIND_UNKNOWN] += until - from;
	return 0;
}

/* How much of a wait that ends now its group was throttled. The kernel keeps a sum for the group's
 * run queue; what has been added since the last look ended when the first of the group ran again,
 * since then nobody else of it could run either. */
static __noinline u64 throttled_part(struct task_struct *next, u64 from, u64 until)
{
	u64 sum = cfs_throttled_ns(BPF_CORE_READ(next, se.cfs_rq));
	struct throttle_key key = {.cpu = bpf_get_smp_processor_id()};
	struct throttle first = {};
	struct throttle *last;
	u64 part;

	if (!sum)
		return 0;
	key.serial = cgroup_cpu_serial(false, BPF_CORE_READ(next, cgroups));
	last = bpf_map_lookup_elem(&throttles, &key);
	if (!last) {
		bpf_map_update_elem(&throttles, &key, &first, BPF_NOEXIST);
		last = bpf_map_lookup_elem(&throttles, &key);
		if (!last)
			return 0;
	}
	if (last->seen_ns != sum) {
		last->ns = sum - last->seen_ns;
		last->seen_ns = sum;
		last->until_ns = until;
	}
	if (from >= last->until_ns)
		return 0;
	part = last->until_ns - from;
	return part < last->ns ? part : last->ns;
}

/* Adds the wait to the causes in `histogram`, which is that of `slot`. */
static __always_inline void blame(const struct sched_segment *running,
				  struct sched_histogram *histogram, struct task_struct *next,
				  u64 slot, u64 from, u64 now)
{
	u64 waiter = slot;
	u64 throttled;
	u64 until;
	u32 number;

	if (now - from >= LONG_WAIT_NS) {
		throttled = throttled_part(next, from, now);
		histogram->behind_ns[SCHED_BEHIND_THROTTLE] += throttled;
		from += throttled;
		if (throttled)
			waiter |= THROTTLED;
	}
	/* What is usual, without a call. */
	if (from >= running->since_ns && running->slot == waiter) {
		histogram->behind_ns[SCHED_BEHIND_OWN] += now - from;
		return;
	}
	if (from >= running->since_ns && running->slot == SCHED_SLOT_IDLE && waiter == slot) {
		histogram->behind_ns[SCHED_BEHIND_IDLE] += now - from;
		return;
	}
	number = bpf_get_smp_processor_id();
	until = count_segment(number, 0, waiter, from, now);
	if (until > from)
		cut_wait(number, waiter, from, until);
}

#endif
