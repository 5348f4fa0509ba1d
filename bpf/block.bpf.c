// SPDX-License-Identifier: GPL-2.0
/* Latency of block requests, from the stamps that the kernel keeps in the request itself: one hook,
 * nothing to look up but the counters. By disk, and by the cgroup on whose account it is.
 *
 * Disks that have no requests (device mapper, md) are not seen here; those below them are. */
#include "kernel.h"
#include "block.h"
#include "cgroup.bpf.h"
#include "histogram.bpf.h"
#include "load.bpf.h"
#include "subject.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Of blk_types.h; the same since 4.10. What a driver sends by itself is from 32 on. */
#define REQ_OP_MASK    0xff
#define REQ_OP_READ    0
#define REQ_OP_WRITE   1
#define REQ_OP_FLUSH   2
#define REQ_OP_DISCARD 3
#define REQ_OP_DRIVER  32

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct request___disk {
	struct gendisk *rq_disk;
};
#pragma clang attribute pop

/* Common to all CPUs: completions come on any, and a copy for each of 128 would be 40 MiB. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BLOCK_KEYS);
	__type(key, struct block_key);
	__type(value, struct block_latency);
} latencies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BLOCK_KEYS);
	__type(key, struct block_key); /* op is 0 */
	__type(value, u64);
} freezes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BLOCK_COUNTS);
	__type(key, u32);
	__type(value, u64);
} block_counts SEC(".maps");

/* What a new entry begins with: too large for the stack. */
static const struct block_latency nothing;

static __always_inline void count(u32 what)
{
	u64 *counter = bpf_map_lookup_elem(&block_counts, &what);

	if (counter)
		(*counter)++;
}

/* Before f3fa33acca9f in 5.17 the request knew its disk. */
static __always_inline struct gendisk *disk_of(bool typed, struct request *request)
{
	struct request___disk *old = (void *)request;
	struct request_queue *queue;

	if (bpf_core_field_exists(old->rq_disk))
		return LOAD(typed, old, rq_disk);
	queue = LOAD(typed, request, q);
	return LOAD(typed, queue, disk);
}

static __always_inline u32 kind_of(u32 op)
{
	switch (op) {
	case REQ_OP_READ:
		return BLOCK_READ;
	case REQ_OP_WRITE:
		return BLOCK_WRITE;
	case REQ_OP_FLUSH:
		return BLOCK_FLUSH;
	case REQ_OP_DISCARD:
		return BLOCK_DISCARD;
	}
	return BLOCK_OTHER;
}

static __always_inline struct block_latency *latency_of(const struct block_key *key)
{
	struct block_latency *latency = bpf_map_lookup_elem(&latencies, key);

	if (latency)
		return latency;
	bpf_map_update_elem(&latencies, key, &nothing, BPF_NOEXIST);
	latency = bpf_map_lookup_elem(&latencies, key);
	if (!latency)
		count(BLOCK_NO_ROOM);
	return latency;
}

/* On whose account the request is: of who asked for it, or whose pages are written back. NULL: of
 * nobody, or of all. */
static __always_inline struct cgroup *cgroup_of(bool typed, struct request *request)
{
	struct cgroup_subsys_state *above;
	struct blkcg_gq *group;
	struct cgroup *cgroup;
	struct blkcg *blkcg;
	struct bio *bio;

	bio = LOAD(typed, request, bio);
	if (!bio || !bpf_core_field_exists(bio->bi_blkg))
		return NULL;
	group = LOAD(typed, bio, bi_blkg);
	if (!group)
		return NULL;
	blkcg = LOAD(typed, group, blkcg);
	if (!blkcg)
		return NULL;
	above = LOAD(typed, blkcg, css.parent);
	if (!above)
		return NULL;
	cgroup = LOAD(typed, blkcg, css.cgroup);
	return cgroup;
}

static __always_inline u64 between(u64 from_ns, u64 to_ns)
{
	/* The stamps of one request can be of two CPUs. */
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

static __noinline int count_stages(struct block_latency *latency, struct cgroup *cgroup, u64 made,
				   u64 dispatched, u32 op)
{
	u64 now = bpf_ktime_get_ns();
	bool own = cgroup && op <= BLOCK_WRITE;

	if (!latency)
		return 0;
	latency_add(&latency->q2c, between(made, now));
	if (own)
		count_cgroup(BLOCK_KIND(op, BLOCK_Q2C), cgroup, between(made, now));
	if (!dispatched) {
		count(BLOCK_UNDISPATCHED);
		return 0;
	}
	latency_add(&latency->q2d, between(made, dispatched));
	latency_add(&latency->d2c, between(dispatched, now));
	if (own) {
		count_cgroup(BLOCK_KIND(op, BLOCK_Q2D), cgroup, between(made, dispatched));
		count_cgroup(BLOCK_KIND(op, BLOCK_D2C), cgroup, between(dispatched, now));
	}
	return 0;
}

static __always_inline int on_complete(bool typed, struct request *request, u32 bytes)
{
	u64 made = LOAD(typed, request, start_time_ns);
	u32 op = LOAD(typed, request, cmd_flags) & REQ_OP_MASK;
	struct block_latency *latency;
	struct block_key key = {};
	struct gendisk *disk;

	/* The rest of it is still under way. */
	if (bytes < LOAD(typed, request, __data_len))
		return 0;
	disk = disk_of(typed, request);
	if (op >= REQ_OP_DRIVER || !disk)
		return 0;
	if (!made) {
		count(BLOCK_UNSTAMPED);
		return 0;
	}
	key.major = LOAD(typed, disk, major);
	key.minor = LOAD(typed, disk, first_minor);
	key.op = kind_of(op);
	latency = latency_of(&key);
	if (!latency)
		return 0;
	return count_stages(latency, cgroup_of(typed, request), made,
			    LOAD(typed, request, io_start_time_ns), key.op);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(block_rq_complete_btf, struct request *request, int error, unsigned int bytes)
{
	return on_complete(true, request, bytes);
}

SEC("raw_tp/block_rq_complete")
int BPF_PROG(block_rq_complete_raw, struct request *request, int error, unsigned int bytes)
{
	return on_complete(false, request, bytes);
}

/* Since d152c682f03c in 5.15 a queue knows its disk. */
static __always_inline int on_freeze(struct request_queue *queue)
{
	struct block_key key = {};
	struct gendisk *disk;
	u64 *counter, one = 1;

	if (bpf_core_field_exists(queue->disk)) {
		disk = BPF_CORE_READ(queue, disk);
		key.major = BPF_CORE_READ(disk, major);
		key.minor = BPF_CORE_READ(disk, first_minor);
	}
	counter = bpf_map_lookup_elem(&freezes, &key);
	if (counter)
		__sync_fetch_and_add(counter, 1);
	else if (bpf_map_update_elem(&freezes, &key, &one, BPF_NOEXIST))
		count(BLOCK_NO_ROOM);
	return 0;
}

#define FREEZE_FUNCTION(function, name)                                                            \
	SEC("fentry/" #function)                                                                   \
	int BPF_PROG(name##_fentry, struct request_queue *queue)                                   \
	{                                                                                          \
		return on_freeze(queue);                                                           \
	}                                                                                          \
	SEC("kprobe/" #function)                                                                   \
	int BPF_KPROBE(name##_kprobe, struct request_queue *queue)                                 \
	{                                                                                          \
		return on_freeze(queue);                                                           \
	}

/* Since f1be1788a32e in 6.13, and in 6.12.y, the kernel's own calls go to the first at once. */
FREEZE_FUNCTION(__blk_freeze_queue_start, block_freeze_inner)
FREEZE_FUNCTION(blk_freeze_queue_start, block_freeze)
