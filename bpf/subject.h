/* SPDX-License-Identifier: GPL-2.0 */
/* Latencies of the node and of each cgroup, of things that happen seldom enough for a look-up and
 * shared counters: the maps of subject.bpf.h. */
#ifndef HUATUO_BPF_SUBJECT_H
#define HUATUO_BPF_SUBJECT_H

#include "event.h"
#include "latency.h"

/* Kinds of latencies of one object. */
#define SUBJECT_KINDS 16
/* Cgroups times kinds: what finds no room is counted, and is in the node's latency all the same. */
#define SUBJECT_KEYS 2048

struct subject_key {
	struct cgroup_ref cgroup;
	__u32 kind;
	__u32 reserved;
};

#endif
