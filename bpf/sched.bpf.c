// SPDX-License-Identifier: GPL-2.0
/* Run-queue latency, and who is to blame for it, with one hook: at sched_switch the kernel's own
 * sched_info.last_queued of the next task is still set. It is in the clock of the run queue, so
 * that clock is what it is compared with. Idle tasks are never queued, so theirs is 0. A migration
 * clears the stamp: a wait counts from the last one on, so that long waits of tasks that are pulled
 * away are too short or missing here.
 *
 * sched_switch runs with interrupts off: what is one CPU's needs no atomic. It is in plain arrays
 * by CPU, as the JIT of every kernel looks into them without a call; for per-CPU arrays only since
 * 6.10. */
#define EMITTERS SCHED_INSTANCES
#include "kernel.h"
#include "sched.h"
#include "cgroup.bpf.h"
#include "emit.bpf.h"
#include "histogram.bpf.h"
#include "load.bpf.h"
#include "sched_blame.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Longer chains of cgroups than this end at the host's slot. */
#define CGROUP_DEPTH 16

/* Of the tracepoint; what comes after it depends on the kernel. */
struct switch_args {
	u64 preempt;
	struct task_struct *prev;
	struct task_struct *next;
};

/* Read where they are needed. Opaque: the verifier wants each read by its offset, and the compiler
 * would keep an address of one. */
static __always_inline struct task_struct *prev_of(struct switch_args *args)
{
	asm volatile("" : "+r"(args));
	return args->prev;
}

static __always_inline struct task_struct *next_of(struct switch_args *args)
{
	asm volatile("" : "+r"(args));
	return args->next;
}

/* Not known before 5.11 (in the kernel's BTF), nor without CONFIG_KALLSYMS_ALL. */
extern const struct rq runqueues __ksym __weak;

/* What a cached slot is kept under. Both is right everywhere; on a node whose cpu controller is on
 * v1 the v2 cgroup is not needed, on v2 the controller is not: two loads less. */
const volatile bool key_by_controller = true;
const volatile bool key_by_unified = true;
/* User space adds SCHED_GENERATION after every change of `slots`: all cached answers are then void.
 */
volatile __u64 slot_generation SEC(".data") = SCHED_GENERATION;
/* The smallest threshold of the open instances; all ones when none is open. */
volatile __u64 min_threshold_ns SEC(".data") = ~0ULL;
/* The same, but at most SCHED_SHORT_NS. */
volatile __u64 short_wait_ns SEC(".data") = SCHED_SHORT_NS;

/* The top cgroup of each container is enough: cgroups below it are found by their ancestors. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct cgroup_ref);
	__type(value, u32);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_INSTANCES);
	__type(key, u32);
	__type(value, struct sched_instance);
} instances SEC(".maps");

static __noinline u32 find_slot(struct task_struct *task)
{
	struct cgroup *cgroup = cgroup_cpu(task);

	for (int i = 0; i < CGROUP_DEPTH && cgroup; i++) {
		struct cgroup_ref ref = cgroup_ref_of(cgroup);
		u32 *slot = bpf_map_lookup_elem(&slots, &ref);

		if (slot)
			return *slot < SCHED_SLOTS ? *slot : SCHED_SLOT_OTHER;
		cgroup = BPF_CORE_READ(cgroup, self.parent, cgroup);
	}
	return SCHED_SLOT_HOST;
}

static __always_inline u64 unified_serial(bool typed, struct css_set *set)
{
	struct cgroup *cgroup = LOAD(typed, set, dfl_cgrp);

	return LOAD(typed, cgroup, self.serial_nr);
}

static __always_inline u64 look_up_slot(bool typed, struct sched_cpu *cpu, struct task_struct *task,
					struct css_set *set, u64 generation)
{
	u64 controller = key_by_controller ? cgroup_cpu_serial(typed, set) : 0;
	u64 unified = key_by_unified ? unified_serial(typed, set) : 0;
	struct sched_cached_slot *entry;
	u64 index;

	/* Fibonacci hashing; the shift also bounds the index for the verifier. */
	index = (controller + unified) * 0x9e3779b97f4a7c15ULL >> (64 - SCHED_CACHE_BITS);
	entry = &cpu->slot[index];
	if (entry->controller == controller && entry->unified == unified &&
	    entry->generation == generation)
		return entry->slot;
	entry->slot = find_slot(task);
	entry->controller = controller;
	entry->unified = unified;
	entry->generation = generation;
	return entry->slot;
}

/* Tasks of one css_set have one slot. The address of one may be used again, but not while `prev`,
 * which had it when it began to run, still has it. */
static __always_inline bool same_set(bool typed, const struct sched_cpu *cpu,
				     struct task_struct *prev, struct task_struct *next)
{
	u64 set = (u64)LOAD(typed, next, cgroups);
	u64 known = cpu->set ^ slot_generation;

	/* The verifier lets an address be compared, not computed with. */
	asm volatile("" : "+r"(known));
	return known == set && (u64)LOAD(typed, prev, cgroups) == set;
}

static __always_inline u64 slot_of(bool typed, struct sched_cpu *cpu, struct task_struct *next)
{
	struct css_set *set = LOAD(typed, next, cgroups);
	/* Read before `slots`, so that an answer is never newer than its mark. */
	u64 generation = slot_generation;

	/* In memory, where it is a number: see same_set. */
	*(volatile u64 *)&cpu->set = (u64)set;
	*(volatile u64 *)&cpu->set ^= generation;
	return look_up_slot(typed, cpu, next, set, generation);
}

static __always_inline bool wanted(const struct sched_instance *instance, u32 slot, u32 tgid,
				   u64 wait_ns)
{
	if (instance->threshold_ns == 0 || wait_ns < instance->threshold_ns)
		return false;
	if (instance->containers_only && slot < SCHED_SLOT_OTHER)
		return false;
	if (instance->slot != ~0U && instance->slot != slot)
		return false;
	return instance->tgid == 0 || instance->tgid == tgid;
}

static __always_inline void emit_delay(const struct sched_instance *instance, u32 index,
				       struct task_struct *prev, struct task_struct *next,
				       u64 wait_ns)
{
	struct cgroup_ref cgroup = cgroup_ref_of(cgroup_cpu(next));
	struct sched_delay_event *event;
	struct emitter by = {
		.limit_per_second = instance->limit_per_second,
		.counter = index,
		.instance = instance->instance,
		.unit = instance->unit,
	};

	event = event_reserve(&by, 0, sizeof(*event), next, &cgroup, &cgroup);
	if (!event)
		return;
	event->previous_cgroup = cgroup_ref_of(cgroup_cpu(prev));
	event->delay_ns = wait_ns;
	event->threshold_ns = instance->threshold_ns;
	event->previous_tgid = BPF_CORE_READ(prev, tgid);
	event->previous_tid = BPF_CORE_READ(prev, pid);
	BPF_CORE_READ_INTO(&event->previous_comm, prev, comm);
	event_submit(event);
}

/* Of the CPU's `reported`. Global and of numbers alone, as count_segment is. */
__noinline int report_delay(u32 number)
{
	struct sched_cpu *cpu = cpu_of(number);
	struct task_struct *next;
	u32 tgid;

	if (!cpu)
		return 0;
	next = (void *)cpu->reported.next;
	tgid = BPF_CORE_READ(next, tgid);
	for (u32 i = 0; i < SCHED_INSTANCES; i++) {
		u32 index = i;
		struct sched_instance *instance = bpf_map_lookup_elem(&instances, &index);

		if (instance && wanted(instance, cpu->reported.slot, tgid, cpu->reported.wait_ns))
			emit_delay(instance, i, (void *)cpu->reported.prev, next,
				   cpu->reported.wait_ns);
	}
	return 0;
}

/* A task that does not want to run any more went by itself; one that was preempted on its way to
 * sleep did not, as the kernel counts them too. */
static __always_inline bool voluntary(bool typed, bool preempt, struct task_struct *prev)
{
	struct task_struct___long_state *old = (void *)prev;

	if (preempt)
		return false;
	if (bpf_core_field_exists(prev->__state))
		return LOAD(typed, prev, __state) != 0;
	return LOAD(typed, old, state) != 0;
}

static __always_inline void count_wait(struct sched_histogram *histogram, u64 wait_ns)
{
	histogram->sum_ns += wait_ns;
	histogram->bucket[bucket_of(wait_ns, SCHED_BUCKETS)]++;
}

static __always_inline void count_switch(bool typed, struct switch_args *args,
					 struct sched_histogram *histogram)
{
	histogram->switches[voluntary(typed, args->preempt, args->prev)]++;
}

/* After a short wait for nobody but the own container, or of a process of the host: what is usual
 * where a CPU is switched most often. False when it is not so. */
static __always_inline bool switch_within(bool typed, struct switch_args *args,
					  struct sched_cpu *cpu, u64 queued, u64 now)
{
	u64 slot = cpu->timeline.running.slot;
	u64 wait_ns = now - queued;
	struct sched_histogram *histogram;

	/* Also who was not queued, whose time is 0, and what is negative, as numbers have no sign
	 * here. */
	if (wait_ns >= short_wait_ns)
		return false;
	if (slot == SCHED_SLOT_HOST) {
		count_wait(&cpu->histogram[SCHED_SLOT_HOST], wait_ns);
		return true;
	}
	if (slot < SCHED_SLOT_OTHER || wait_ns >= LONG_WAIT_NS ||
	    now - wait_ns < cpu->timeline.running.since_ns)
		return false;
	histogram = histogram_of(cpu, slot);
	if (!histogram)
		return false;
	histogram->behind_ns[SCHED_BEHIND_OWN] += wait_ns;
	count_switch(typed, args, histogram);
	count_wait(histogram, wait_ns);
	return true;
}

static __always_inline void end_wait(struct switch_args *args, struct sched_cpu *cpu,
				     struct sched_histogram *histogram, u64 slot, u64 queued,
				     u64 now)
{
	u64 wait_ns = now - queued;

	if ((s64)wait_ns < 0)
		wait_ns = 0;
	count_wait(histogram, wait_ns);
	if (slot >= SCHED_SLOT_OTHER)
		blame(&cpu->timeline.running, histogram, next_of(args), slot, now - wait_ns, now);
	if (wait_ns < min_threshold_ns)
		return;
	cpu->reported = (struct sched_wait){(u64)prev_of(args), (u64)next_of(args), slot, wait_ns};
	report_delay(bpf_get_smp_processor_id());
}

static __always_inline int switch_between(bool typed, struct switch_args *args,
					  struct sched_cpu *cpu, u64 queued, u64 now)
{
	struct task_struct *next = next_of(args);
	struct sched_histogram *histogram;
	u64 slot = SCHED_SLOT_IDLE;
	u64 left;

	if (queued || LOAD(typed, next, pid))
		slot = slot_of(typed, cpu, next);
	else
		cpu->set = 0;
	left = cpu->timeline.running.slot;
	/* Not asked after a process of the host: that would cost each of their switches. */
	if (slot == SCHED_SLOT_HOST && left != slot && LOAD(typed, next, flags) & PF_KTHREAD)
		slot = SCHED_SLOT_KERNEL;
	if (queued) {
		histogram = histogram_of(cpu, slot);
		if (!histogram)
			return 0;
		end_wait(args, cpu, histogram, slot, queued, now);
	}
	if (left != slot)
		begin_segment(&cpu->timeline, slot, now);
	if (left < SCHED_SLOT_OTHER)
		return 0;
	histogram = histogram_of(cpu, left);
	if (histogram)
		count_switch(typed, args, histogram);
	return 0;
}

/* Of this CPU's run queue, which is the next task's too. The way there from the task takes two
 * loads more; `named`: none is needed. */
static __always_inline u64 queue_clock(bool typed, bool named, struct task_struct *next)
{
	struct cfs_rq *cfs;
	struct rq *rq;

	if (named) {
		rq = bpf_this_cpu_ptr(&runqueues);
		return rq->clock;
	}
	cfs = LOAD(typed, next, se.cfs_rq);
	rq = LOAD(typed, cfs, rq);
	return LOAD(typed, rq, clock);
}

static __always_inline int on_switch(bool typed, bool named, struct switch_args *args)
{
	/* Before all else: nothing has to be kept beside that call then. */
	u32 number = bpf_get_smp_processor_id();
	struct sched_cpu *cpu = cpu_of(number);
	struct task_struct *next;
	u64 now, queued;

	if (!cpu)
		return 0;
	now = queue_clock(typed, named, args->next);
	next = args->next;
	queued = LOAD(typed, next, sched_info.last_queued);
	if (same_set(typed, cpu, args->prev, next) && switch_within(typed, args, cpu, queued, now))
		return 0;
	/* A line between the two: what the rest has to keep must not cost each switch that ended
	 * above, and the arguments can be read again. */
	asm volatile("" : "+r"(args), "+r"(queued), "+r"(now));
	return switch_between(typed, args, cpu, queued, now);
}

SEC("tp_btf/sched_switch")
int sched_switch_named(struct switch_args *args)
{
	return on_switch(true, true, args);
}

SEC("tp_btf/sched_switch")
int sched_switch_btf(struct switch_args *args)
{
	return on_switch(true, false, args);
}

SEC("raw_tp/sched_switch")
int sched_switch_raw(struct switch_args *args)
{
	return on_switch(false, false, args);
}
