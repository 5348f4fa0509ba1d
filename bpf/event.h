/* SPDX-License-Identifier: GPL-2.0 */
/* What every record in the ring begins with. Included by BPF programs and by user space. */
#ifndef HUATUO_BPF_EVENT_H
#define HUATUO_BPF_EVENT_H

#ifdef __cplusplus
#include <linux/types.h>
#endif

#define EVENT_COMM_LEN	   16
#define EVENT_STACK_FRAMES 32

/* A kernel stack, innermost first; the frames after the last are 0. */
struct event_stack {
	__u64 frame[EVENT_STACK_FRAMES];
};

/* In place of a hierarchy: `id` is the inode of a network namespace. For who is known only by the
 * network that he uses. */
#define EVENT_NETNS 0xffffffffU

/* A cgroup by hierarchy and kernfs id (= inode number of its folder). The ids of different v1
 * hierarchies are independent, so the id alone names nothing. hierarchy is 0 for cgroup v2.
 * All zero: not known. */
struct cgroup_ref {
	__u64 id;
	__u32 hierarchy;
	__u32 reserved; /* 0, so that the struct can be a map key */
};

/* 64 bytes. `unit`, `instance`: who asked for this record, set by the loader; `record`: which of
 * the unit's record types follows. The task is the current one unless the record says otherwise. */
struct event_header {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	struct cgroup_ref cgroup;
	__u32 tgid;
	__u32 tid;
	__u32 cpu;
	__u32 instance;
	__u16 unit;
	__u16 record;
	__u32 size; /* of the whole record */
	char comm[EVENT_COMM_LEN];
};

/* Accounting of one emitter, per CPU. provoked = emitted + refused + ring_full, exactly. */
struct emit_counters {
	__u64 emitted;
	__u64 refused;	 /* by the rate limit */
	__u64 ring_full; /* no room in the ring */
};

#endif
