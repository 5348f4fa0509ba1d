/* SPDX-License-Identifier: GPL-2.0 */
/* The shared memory of dropped TCP packets. The collector puts one pair of maps into all objects.
 */
#ifndef HUATUO_BPF_PACKET_DROPS_BPF_H
#define HUATUO_BPF_PACKET_DROPS_BPF_H

#include "kernel.h"
#include "packet_drops.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PACKET_FLOWS);
	__type(key, struct packet_flow);
	__type(value, struct packet_history);
} packet_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct packet_watch);
} packet_watch SEC(".maps");

/* Too large for the stack. */
static const volatile struct packet_history packet_no_history = {};

static __always_inline struct packet_watch *packet_watcher(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&packet_watch, &zero);
}

/* From now on and for a while nobody can say of a packet that it was not dropped. */
static __always_inline void packet_drop_unseen(void)
{
	struct packet_watch *watch = packet_watcher();

	if (watch)
		watch->unseen_ns = bpf_ktime_get_boot_ns();
}

static __always_inline struct packet_history *packet_history_of(const struct packet_flow *flow)
{
	struct packet_history *history = bpf_map_lookup_elem(&packet_drops, flow);

	if (history)
		return history;
	bpf_map_update_elem(&packet_drops, flow, (const void *)&packet_no_history, BPF_NOEXIST);
	return bpf_map_lookup_elem(&packet_drops, flow);
}

/* A run that `add` goes on with, or repeats. */
static __always_inline bool packet_run_grows(struct packet_run *run, const struct packet_run *add)
{
	if (!run->length || run->location != add->location)
		return false;
	if (run->seq + run->length == add->seq)
		run->length += add->length;
	else if (add->seq - run->seq >= run->length)
		return false;
	run->time_ns = add->time_ns;
	return true;
}

static __always_inline void packet_remember(const struct packet_flow *flow,
					    const struct packet_run *add)
{
	struct packet_history *history = packet_history_of(flow);
	u64 at;

	if (!history) {
		packet_drop_unseen();
		return;
	}
	at = history->next - 1;
	asm volatile("%0 &= 3" : "+r"(at));
	if (packet_run_grows(&history->run[at], add))
		return;
	at = history->next++;
	asm volatile("%0 &= 3" : "+r"(at));
	if (history->run[at].length)
		history->forgotten_ns = history->run[at].time_ns;
	history->run[at] = *add;
}

static __always_inline bool packet_recent(u64 time_ns, u64 now)
{
	return time_ns && now - time_ns < PACKET_MEMORY_NS;
}

static __always_inline bool packet_find_run(struct packet_history *history, u32 seq, u64 now,
					    struct packet_run *found)
{
#pragma unroll
	for (int i = 0; i < PACKET_RUNS; i++) {
		struct packet_run *run = &history->run[i];

		if (seq - run->seq >= run->length || !packet_recent(run->time_ns, now))
			continue;
		*found = *run;
		return true;
	}
	return false;
}

/* Whether the segment of `flow` that begins at `seq` was dropped; its run only then. */
static __always_inline enum packet_fate packet_fate_of(const struct packet_flow *flow, u32 seq,
						       u64 now, struct packet_run *found)
{
	struct packet_watch *watch = packet_watcher();
	struct packet_history *history;

	if (!watch || !watch->since_ns)
		return PACKET_FATE_UNKNOWN;
	history = bpf_map_lookup_elem(&packet_drops, flow);
	if (history) {
		if (packet_find_run(history, seq, now, found))
			return PACKET_DROPPED_HERE;
		if (packet_recent(history->forgotten_ns, now))
			return PACKET_FATE_UNKNOWN;
	}
	return packet_recent(watch->unseen_ns, now) ? PACKET_FATE_UNKNOWN : PACKET_NOT_DROPPED_HERE;
}

#endif
