/* SPDX-License-Identifier: GPL-2.0 */
/* The one way to send a record: event_reserve, fill the fields after the header, event_submit.
 *
 * Accounting is exact: each call of event_reserve (or event_refuse in its place) adds one to
 * exactly one of emitted, refused and ring_full. The limit is approximate: windows of one second
 * per CPU, and a window that the LRU map evicts begins anew. Not for programs that run in NMI. */
#ifndef HUATUO_BPF_EMIT_BPF_H
#define HUATUO_BPF_EMIT_BPF_H

#include "kernel.h"
#include "event.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* A probe that serves several instances defines this before it includes the file. */
#ifndef EMITTERS
#define EMITTERS 1
#endif

#define NS_PER_SECOND 1000000000ULL

/* Who sends. `counter`: index of its accounting in `counters`. */
struct emitter {
	u64 limit_per_second; /* per cgroup and CPU; 0 refuses everything */
	u32 counter;
	u32 instance;
	u32 unit;
};

struct rate_key {
	struct cgroup_ref cgroup;
	u64 counter;
};

struct rate_window {
	u64 start_ns;
	u64 count;
};

/* The loader puts the one shared ring here; 64 KiB is a page on every architecture. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EMITTERS);
	__type(key, u32);
	__type(value, struct emit_counters);
} counters SEC(".maps");

/* 512 cgroups: at 128 CPUs 1 MiB a probe. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 512);
	__type(key, struct rate_key);
	__type(value, struct rate_window);
} rate SEC(".maps");

static __always_inline bool within_rate(const struct emitter *by, const struct cgroup_ref *cgroup,
					u64 now)
{
	struct rate_key key = {.cgroup = *cgroup, .counter = by->counter};
	struct rate_window first = {.start_ns = now, .count = 1};
	struct rate_window *window;

	if (by->limit_per_second == 0)
		return false;
	window = bpf_map_lookup_elem(&rate, &key);
	if (!window) {
		bpf_map_update_elem(&rate, &key, &first, BPF_ANY);
		return true;
	}
	if (now - window->start_ns >= NS_PER_SECOND)
		*window = (struct rate_window){.start_ns = now};
	if (window->count >= by->limit_per_second)
		return false;
	window->count++;
	return true;
}

static __always_inline void fill_header(struct event_header *header, const struct emitter *by,
					struct task_struct *task, const struct cgroup_ref *cgroup)
{
	header->cgroup = *cgroup;
	header->tgid = BPF_CORE_READ(task, tgid);
	header->tid = BPF_CORE_READ(task, pid);
	header->cpu = bpf_get_smp_processor_id();
	header->instance = by->instance;
	header->unit = by->unit;
	BPF_CORE_READ_INTO(&header->comm, task, comm);
}

/* Room for a record of `size` bytes (a constant) that begins with a header, already filled for
 * `task`; NULL when the rate limit of `cgroup` or the ring refuses it. What comes back must go to
 * event_submit on every path. */
static __always_inline void *event_reserve(const struct emitter *by, u32 record, u64 size,
					   struct task_struct *task,
					   const struct cgroup_ref *cgroup,
					   const struct cgroup_ref *limited)
{
	struct emit_counters *account;
	struct event_header *header;
	u64 now = bpf_ktime_get_boot_ns();
	u32 index = by->counter;

	account = bpf_map_lookup_elem(&counters, &index);
	if (!account)
		return NULL;
	if (!within_rate(by, limited, now)) {
		__sync_fetch_and_add(&account->refused, 1);
		return NULL;
	}
	header = bpf_ringbuf_reserve(&events, size, 0);
	if (!header) {
		__sync_fetch_and_add(&account->ring_full, 1);
		return NULL;
	}
	__sync_fetch_and_add(&account->emitted, 1);
	fill_header(header, by, task, cgroup);
	header->time_ns = now;
	header->record = record;
	header->size = size;
	return header;
}

/* Whether a next record for `limited` would be refused now. */
static __always_inline bool event_limit_reached(const struct emitter *by,
						const struct cgroup_ref *limited)
{
	struct rate_key key = {.cgroup = *limited, .counter = by->counter};
	struct rate_window *window = bpf_map_lookup_elem(&rate, &key);

	return by->limit_per_second == 0 || (window && window->count >= by->limit_per_second);
}

/* In place of event_reserve, where the caller knows already that it would refuse. */
static __always_inline void event_refuse(u32 counter)
{
	struct emit_counters *account = bpf_map_lookup_elem(&counters, &counter);

	if (account)
		__sync_fetch_and_add(&account->refused, 1);
}

/* Something that may have had to become a record could not be remembered until its end. */
static __always_inline void event_forgotten(u32 counter)
{
	struct emit_counters *account = bpf_map_lookup_elem(&counters, &counter);

	if (account)
		__sync_fetch_and_add(&account->ring_full, 1);
}

static __always_inline void event_submit(void *record)
{
	bpf_ringbuf_submit(record, 0);
}

#endif
