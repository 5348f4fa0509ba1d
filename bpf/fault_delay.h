/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_FAULT_DELAY_H
#define HUATUO_BPF_FAULT_DELAY_H

#include "event.h"

#define FAULT_FILE_LEN 64

enum fault_source {
	FAULT_FILE,
	FAULT_SWAP,
	FAULT_SHMEM, /* a file in memory: from swap, or no page was free */
	FAULT_SOURCES,
};

/* A page fault that was served late. header: the task, with its memory cgroup. All of the file is
 * zero for FAULT_SWAP. */
struct fault_delay_event {
	struct event_header header;
	struct event_stack stack;
	__u64 delay_ns;
	__u64 threshold_ns;
	__u64 inode;
	__u64 page;   /* of the file */
	__u32 device; /* the kernel's dev_t of the file system: 12 bits major, 20 minor */
	__u32 source; /* enum fault_source */
	char file[FAULT_FILE_LEN]; /* the last part of its path */
};

#endif
