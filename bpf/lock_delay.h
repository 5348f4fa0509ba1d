/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_LOCK_DELAY_H
#define HUATUO_BPF_LOCK_DELAY_H

#include "event.h"

/* The kernel's LCB_F_*: what was waited for. */
#define LOCK_SPIN   (1 << 0)
#define LOCK_READ   (1 << 1)
#define LOCK_WRITE  (1 << 2)
#define LOCK_RT	    (1 << 3)
#define LOCK_PERCPU (1 << 4)
#define LOCK_MUTEX  (1 << 5)

/* A wait for a lock of the kernel that ended. header: the task that waited, with its cpu cgroup;
 * holder: who had the lock when the wait began, all zero when that is not known. */
struct lock_delay_event {
	struct event_header header;
	struct cgroup_ref holder_cgroup;
	struct event_stack stack;
	__u64 lock; /* its address */
	__u64 delay_ns;
	__u64 threshold_ns;
	__u32 flags; /* LOCK_* */
	__u32 holder_tgid;
	__u32 holder_tid;
	__u32 reserved;
	char holder_comm[EVENT_COMM_LEN];
};

#endif
