/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_SUBJECT_BPF_H
#define HUATUO_BPF_SUBJECT_BPF_H

#include "kernel.h"
#include "subject.h"
#include "cgroup.bpf.h"
#include "histogram.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SUBJECT_KEYS);
	__type(key, struct subject_key);
	__type(value, struct latency);
} subjects SEC(".maps");

/* By kind. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SUBJECT_KINDS);
	__type(key, u32);
	__type(value, struct latency);
} node SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} subjects_without_room SEC(".maps");

/* What a new entry begins with: too large for the stack. */
static const struct latency no_latency;

static __always_inline void latency_add(struct latency *latency, u64 ns)
{
	__sync_fetch_and_add(&latency->bucket[bucket_of(ns, LATENCY_BUCKETS)], 1);
	__sync_fetch_and_add(&latency->sum_ns, ns);
}

static __always_inline void count_node(u32 kind, u64 ns)
{
	struct latency *latency = bpf_map_lookup_elem(&node, &kind);

	if (latency)
		latency_add(latency, ns);
}

static __always_inline void count_cgroup(u32 kind, struct cgroup *cgroup, u64 ns)
{
	struct subject_key key = {.cgroup = cgroup_ref_of(cgroup), .kind = kind};
	struct latency *latency = bpf_map_lookup_elem(&subjects, &key);
	u32 zero = 0;
	u64 *without;

	if (!latency) {
		bpf_map_update_elem(&subjects, &key, &no_latency, BPF_NOEXIST);
		latency = bpf_map_lookup_elem(&subjects, &key);
	}
	if (latency) {
		latency_add(latency, ns);
		return;
	}
	without = bpf_map_lookup_elem(&subjects_without_room, &zero);
	if (without)
		__sync_fetch_and_add(without, 1);
}

/* Counts for the node and for `cgroup`. */
static __always_inline void count_subject(u32 kind, struct cgroup *cgroup, u64 ns)
{
	count_node(kind, ns);
	count_cgroup(kind, cgroup, ns);
}

#endif
