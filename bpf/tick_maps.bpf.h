/* SPDX-License-Identifier: GPL-2.0 */
/* The memory of the probe tick, which the unit softirq shares: the collector puts the maps of the
 * one into the other. */
#ifndef HUATUO_BPF_TICK_MAPS_BPF_H
#define HUATUO_BPF_TICK_MAPS_BPF_H

#include "kernel.h"
#include "softirq.h"
#include "tick.h"
#include <bpf/bpf_helpers.h>

/* By CPU; the loader resizes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tick_cpu);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TICK_SAMPLES);
	__type(key, u32);
	__type(value, struct tick_sample);
} samples SEC(".maps");

/* What has been raised and does not run yet; the unit softirq writes it. A vector that is raised
 * again after the kernel has taken the pending set, but before it has come to it, counts from its
 * next raise. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SOFTIRQ_VECTORS);
	__type(key, u32);
	__type(value, struct softirq_vector);
} vectors SEC(".maps");

#endif
