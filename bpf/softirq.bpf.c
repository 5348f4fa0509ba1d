// SPDX-License-Identifier: GPL-2.0
/* Softirqs that were raised long before they ran, and who had the CPU in between: the samples of
 * the shared probe tick. The hard interrupts that are held off are seen by that probe itself. */
#include "kernel.h"
#include "softirq.h"
#include "histogram.bpf.h"
#include "tick_maps.bpf.h"
#include "instance.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Not within what usual_bucket knows: the unit takes none below a millisecond. */
volatile __u64 threshold_ns SEC(".data") = 100000000;

/* Who had the CPU in a window of time. In a map, where the verifier does not follow the values: on
 * the stack it would try every outcome of every vote. Softirqs of a CPU do not interrupt each
 * other.
 */
struct culprit {
	u64 newest_ns; /* of its newest sample */
	u32 newest;    /* index of that one */
	u32 tid;
	u32 votes;
	u32 samples;
	u32 own_samples;
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct culprit);
} culprits SEC(".maps");

static __always_inline struct tick_sample *sample_at(u32 index, u64 since_ns)
{
	struct tick_sample *sample = bpf_map_lookup_elem(&samples, &index);

	return sample && sample->time_ns >= since_ns ? sample : NULL;
}

/* The one with more than half of the samples, if there is one: a vote in which two that differ
 * cancel each other out. */
static __always_inline void elect(struct culprit *found, u64 since_ns)
{
	for (u32 i = 0; i < TICK_SAMPLES; i++) {
		struct tick_sample *sample = sample_at(i, since_ns);

		if (!sample)
			continue;
		found->samples++;
		if (!found->votes)
			found->tid = sample->tid;
		if (sample->tid == found->tid)
			found->votes++;
		else
			found->votes--;
	}
}

static __always_inline void count_own(struct culprit *found, u64 since_ns)
{
	for (u32 i = 0; i < TICK_SAMPLES; i++) {
		struct tick_sample *sample = sample_at(i, since_ns);

		if (!sample || sample->tid != found->tid)
			continue;
		found->own_samples++;
		if (sample->time_ns < found->newest_ns)
			continue;
		found->newest_ns = sample->time_ns;
		found->newest = i;
	}
}

static __noinline struct culprit *find_culprit(u64 since_ns)
{
	u32 zero = 0;
	struct culprit *found = bpf_map_lookup_elem(&culprits, &zero);

	if (!found)
		return NULL;
	__builtin_memset(found, 0, sizeof(*found));
	elect(found, since_ns);
	count_own(found, since_ns);
	return found;
}

static __always_inline void blame(struct softirq_event *event, const struct tick_sample *sample)
{
	if (!sample) {
		__builtin_memset(&event->place, 0, sizeof(event->place));
		return;
	}
	event->header.cgroup = sample->cgroup;
	event->header.tgid = sample->tgid;
	event->header.tid = sample->tid;
	__builtin_memcpy(event->header.comm, sample->comm, sizeof(sample->comm));
	__builtin_memcpy(&event->place, &sample->place, sizeof(event->place));
}

/* No softirq was pending, for this unit, before the CPU's first tick: it may have been away. */
static __always_inline u64 since_first_tick(u64 since)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct tick_cpu *state = bpf_map_lookup_elem(&cpus, &cpu);
	u64 first = state ? state->first_ns : 0;

	return first > since ? first : since;
}

static __noinline int report(void *ctx, u32 vector, u64 raised_ns, u64 wait_ns)
{
	u64 since = since_first_tick(raised_ns);
	u64 now = raised_ns + wait_ns;
	struct emitter by = instance_emitter();
	struct tick_sample *sample = NULL;
	struct softirq_event *event;
	struct cgroup_ref cgroup = {};
	struct culprit *found;
	u32 newest;

	if (now - since < threshold_ns)
		return 0;
	found = find_culprit(since);
	if (!found)
		return 0;
	newest = found->newest;
	if (found->samples)
		sample = bpf_map_lookup_elem(&samples, &newest);
	if (sample)
		cgroup = sample->cgroup;
	event = event_reserve(&by, 0, sizeof(*event), (void *)bpf_get_current_task(), &cgroup,
			      &cgroup);
	if (!event)
		return 0;
	event->now_ns = now;
	event->off_ns = now - since;
	event->threshold_ns = threshold_ns;
	__builtin_memset(event->caller, 0, sizeof(event->caller));
	bpf_get_stack(ctx, event->caller, sizeof(event->caller), 0);
	blame(event, sample);
	event->kind = SOFTIRQ_KIND_SOFT;
	event->vector = vector;
	event->vectors = 1U << (vector & 31);
	event->samples = found->samples;
	event->culprit_samples = found->own_samples;
	event->reserved = 0;
	event_submit(event);
	return 0;
}

static __always_inline int on_raise(u32 vector)
{
	struct softirq_vector *state = bpf_map_lookup_elem(&vectors, &vector);

	if (state && !state->raised_ns)
		state->raised_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void count_wait(struct softirq_vector *state, u64 bucket, u64 wait_ns)
{
	state->raised_ns = 0;
	state->latency.sum_ns += wait_ns;
	/* Last: nothing else has to be kept beside the place of the bucket. */
	state->latency.bucket[bucket]++;
}

static __noinline int end_long_wait(void *ctx, u32 vector, struct softirq_vector *state,
				    u64 wait_ns)
{
	u64 since = state->raised_ns;

	if (!since)
		return 0;
	count_wait(state, bucket_of(wait_ns, LATENCY_BUCKETS), wait_ns);
	return wait_ns < threshold_ns ? 0 : report(ctx, vector, since, wait_ns);
}

/* Softirqs of a CPU do not interrupt each other: no atomic. One that has not been seen to be raised
 * has waited since 0. */
static __always_inline int on_entry(void *ctx, u32 vector)
{
	/* In memory: a register that is kept beside a call costs each softirq more. */
	void *volatile kept = ctx;
	struct softirq_vector *state = bpf_map_lookup_elem(&vectors, &vector);
	u64 bucket, wait_ns;

	if (!state)
		return 0;
	state->entered_ns = bpf_ktime_get_ns();
	wait_ns = state->entered_ns - state->raised_ns;
	bucket = usual_bucket(wait_ns);
	if (bucket == BUCKET_UNUSUAL)
		return end_long_wait(kept, vector, state, wait_ns);
	count_wait(state, bucket, wait_ns);
	return 0;
}

/* 0: it began before the program was attached. */
static __always_inline int on_exit(u32 vector)
{
	struct softirq_vector *state = bpf_map_lookup_elem(&vectors, &vector);

	if (!state || !state->entered_ns)
		return 0;
	state->run_ns += bpf_ktime_get_ns() - state->entered_ns;
	state->entered_ns = 0;
	return 0;
}

SEC("tp_btf/softirq_raise")
int BPF_PROG(softirq_raise_btf, u32 vector)
{
	return on_raise(vector);
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirq_entry_btf, u32 vector)
{
	return on_entry(ctx, vector);
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(softirq_exit_btf, u32 vector)
{
	return on_exit(vector);
}

SEC("raw_tp/softirq_raise")
int BPF_PROG(softirq_raise_raw, u32 vector)
{
	return on_raise(vector);
}

SEC("raw_tp/softirq_entry")
int BPF_PROG(softirq_entry_raw, u32 vector)
{
	return on_entry(ctx, vector);
}

SEC("raw_tp/softirq_exit")
int BPF_PROG(softirq_exit_raw, u32 vector)
{
	return on_exit(vector);
}
