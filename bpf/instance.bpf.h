/* SPDX-License-Identifier: GPL-2.0 */
/* The one instance that a cold probe serves: who it is, its limit and its filter. Each instance is
 * a skeleton of its own, so these globals are too. */
#ifndef HUATUO_BPF_INSTANCE_BPF_H
#define HUATUO_BPF_INSTANCE_BPF_H

#include "emit.bpf.h"

const volatile __u16 unit_id = 0;
const volatile __u32 instance_id = 0;

/* Changed live through the map's memory. Named sections keep the zeros out of .bss. */
volatile __u64 limit_per_second SEC(".data") = 10;
volatile __u32 filter_cgroups SEC(".data") = 0; /* 1: only cgroups of `wanted_cgroups` */
volatile __u32 filter_tgid SEC(".data") = 0;	/* only this process; 0 for any */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct cgroup_ref);
	__type(value, __u8);
} wanted_cgroups SEC(".maps");

static __always_inline bool instance_wants(const struct cgroup_ref *cgroup, u32 tgid)
{
	if (filter_tgid && filter_tgid != tgid)
		return false;
	return !filter_cgroups || bpf_map_lookup_elem(&wanted_cgroups, cgroup);
}

static __always_inline struct emitter instance_emitter(void)
{
	return (struct emitter){
		.limit_per_second = limit_per_second,
		.instance = instance_id,
		.unit = unit_id,
	};
}

#endif
