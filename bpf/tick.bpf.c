// SPDX-License-Identifier: GPL-2.0
/* At each tick of a perf event per CPU: keeps, while something waits, who runs and where, so that
 * whoever finds something held off can tell afterwards by whom.
 *
 * The events are hard timers, not NMIs: they come in softirqs and where those are disabled, but not
 * while interrupts are. A tick that was held off comes at once when interrupts are on again, so the
 * place it finds is the one that switched them on. One CPU's ticks do not interrupt each other: its
 * state needs no atomic. */
#define EMITTERS TICK_WATCHES
#include "kernel.h"
#include "softirq.h"
#include "softlockup.h"
#include "tick.h"
#include "cgroup.bpf.h"
#include "compat.bpf.h"
#include "emit.bpf.h"
#include "histogram.bpf.h"
#include "tick_maps.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Of the events. */
const volatile __u64 period_ns = 25000000;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TICK_WATCHES);
	__type(key, u32);
	__type(value, struct tick_watch);
} watches SEC(".maps");

/* How late each tick was. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct latency);
} lateness SEC(".maps");

#if defined(__TARGET_ARCH_x86)
#define ARCH_REGISTERS 21
#else
#define ARCH_REGISTERS 34
#endif

static __always_inline void fill_place(struct bpf_perf_event_data *ctx, struct tick_place *place)
{
	const u64 *registers = (const u64 *)ctx;
	long bytes;

	__builtin_memset(place, 0, sizeof(*place));
	bytes = bpf_get_stack(ctx, place->stack.frame, sizeof(place->stack.frame), 0);
	/* In user space: what a program has in its registers is its own business. */
	if (bytes <= 0)
		return;
#pragma unroll
	for (int i = 0; i < ARCH_REGISTERS; i++)
		place->registers[i] = registers[i];
}

static __always_inline struct tick_sample *keep_sample(struct bpf_perf_event_data *ctx,
						       struct tick_cpu *state,
						       struct task_struct *task, u64 now)
{
	u32 index = state->kept % TICK_SAMPLES;
	struct tick_sample *sample = bpf_map_lookup_elem(&samples, &index);

	if (!sample)
		return NULL;
	sample->time_ns = now;
	sample->cgroup = cgroup_ref_of(cgroup_cpu(task));
	sample->tgid = BPF_CORE_READ(task, tgid);
	sample->tid = BPF_CORE_READ(task, pid);
	BPF_CORE_READ_INTO(&sample->comm, task, comm);
	fill_place(ctx, &sample->place);
	state->kept++;
	return sample;
}

static __always_inline struct tick_watch *watch_of(u32 index)
{
	struct tick_watch *watch = bpf_map_lookup_elem(&watches, &index);

	return watch && watch->threshold_ns ? watch : NULL;
}

static __always_inline struct emitter emitter_of(const struct tick_watch *watch, u32 counter)
{
	return (struct emitter){
		.limit_per_second = watch->limit_per_second,
		.counter = counter,
		.instance = watch->instance,
		.unit = watch->unit,
	};
}

/* `late_ns`: after when the tick was due; interrupts may have been off since a period earlier. */
static __noinline int report_hardirq(struct tick_watch *watch, struct tick_sample *sample,
				     u64 late_ns)
{
	struct softirq_event *event;
	struct emitter by;

	if (!watch || !sample)
		return 0;
	by = emitter_of(watch, TICK_WATCH_HARDIRQ);
	event = event_reserve(&by, 0, sizeof(*event), (void *)bpf_get_current_task(),
			      &sample->cgroup, &sample->cgroup);
	if (!event)
		return 0;
	event->now_ns = sample->time_ns;
	event->off_ns = late_ns;
	event->threshold_ns = watch->threshold_ns;
	__builtin_memset(event->caller, 0, sizeof(event->caller));
	__builtin_memcpy(&event->place, &sample->place, sizeof(event->place));
	event->kind = SOFTIRQ_KIND_HARD;
	event->vector = 0;
	event->vectors = 0;
	event->samples = 1;
	event->culprit_samples = 1;
	event->reserved = 0;
	event_submit(event);
	return 0;
}

static __noinline int report_lockup(struct tick_watch *watch, struct tick_sample *sample,
				    u64 duration_ns)
{
	struct softlockup_event *event;
	struct emitter by;

	if (!watch || !sample)
		return 0;
	by = emitter_of(watch, TICK_WATCH_SCHEDULE);
	event = event_reserve(&by, 0, sizeof(*event), (void *)bpf_get_current_task(),
			      &sample->cgroup, &sample->cgroup);
	if (!event)
		return 0;
	event->duration_ns = duration_ns;
	event->threshold_ns = watch->threshold_ns;
	__builtin_memcpy(&event->place, &sample->place, sizeof(event->place));
	event->source = SOFTLOCKUP_BY_TICK;
	event->reserved = 0;
	event_submit(event);
	return 0;
}

/* Since when this CPU has been due to switch, without having; 0: all is well. A task that nobody
 * waits for may run for ever, and so may one that has the higher priority: neither is asked to make
 * room. */
static __always_inline u64 stuck_since(struct tick_cpu *state, struct task_struct *task, u64 now)
{
	struct rq *rq = BPF_CORE_READ(task, se.cfs_rq, rq);
	u64 switches = BPF_CORE_READ(rq, nr_switches);
	bool switched = switches != state->switches;

	state->switches = switches;
	if (switched || BPF_CORE_READ(rq, nr_running) < 2 || !task_need_resched(task)) {
		state->waiting_since = 0;
		state->reported = 0;
	} else if (!state->waiting_since) {
		state->waiting_since = now;
	}
	return state->waiting_since;
}

static __always_inline bool softirq_waits(void)
{
	for (u32 i = 0; i < SOFTIRQ_VECTORS; i++) {
		u32 index = i;
		struct softirq_vector *vector = bpf_map_lookup_elem(&vectors, &index);

		if (vector && vector->raised_ns)
			return true;
	}
	return false;
}

/* How late the timer behind this tick is. The distance of two ticks alone would not tell: the
 * kernel leaves the program out while a task of this CPU has been preempted within a system call on
 * a map, and such ticks are missing, not late. */
static __always_inline u64 timer_late(void *ctx, u64 now)
{
	struct bpf_perf_event_data_kern *kernel = ctx;
	struct perf_event *event = NULL;
	u64 due;

	bpf_core_read(&event, sizeof(event), &kernel->event);
	due = BPF_CORE_READ(event, hw.hrtimer.node.expires);
	return now > due ? now - due : 0;
}

static __always_inline void count_lateness(u64 late_ns)
{
	u32 zero = 0;
	struct latency *latency = bpf_map_lookup_elem(&lateness, &zero);

	if (!latency)
		return;
	latency->bucket[bucket_of(late_ns, LATENCY_BUCKETS)]++;
	latency->sum_ns += late_ns;
}

SEC("perf_event")
int tick_sample(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	bool idle = !(u32)bpf_get_current_pid_tgid();
	struct tick_watch *hardirq = watch_of(TICK_WATCH_HARDIRQ);
	struct tick_watch *schedule = watch_of(TICK_WATCH_SCHEDULE);
	u32 cpu = bpf_get_smp_processor_id();
	struct tick_cpu *state = bpf_map_lookup_elem(&cpus, &cpu);
	u64 now = bpf_ktime_get_ns();
	u64 by_timer, since, late = 0;
	struct tick_sample *sample;

	if (!state)
		return 0;
	by_timer = timer_late(ctx, now);
	count_lateness(by_timer);
	if (!state->first_ns)
		state->first_ns = now;
	else if (now - state->last_ns > period_ns)
		late = now - state->last_ns - period_ns;
	if (by_timer < late)
		late = by_timer;
	state->last_ns = now;
	state->ticks++;
	if (!hardirq || late < hardirq->threshold_ns)
		late = 0;
	if (idle && !late)
		return 0;
	since = stuck_since(state, task, now);
	/* A sample is a hundred times as dear as to see that nobody will ask for it. */
	if (!late && !since && !softirq_waits())
		return 0;
	sample = keep_sample(ctx, state, task, now);
	if (!sample)
		return 0;
	if (late)
		report_hardirq(hardirq, sample, late);
	if (!schedule || !since || state->reported || now - since < schedule->threshold_ns)
		return 0;
	state->reported = 1;
	report_lockup(schedule, sample, now - since);
	return 0;
}
