/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_HUNGTASK_H
#define HUATUO_BPF_HUNGTASK_H

#include "event.h"

#define HUNGTASK_FRAMES 64

/* A task as the sweep or the kernel's detector saw it. A sweep without stacks writes only the bytes
 * before `stack`. */
struct hungtask_task {
	__u64 time_ns;		  /* CLOCK_BOOTTIME */
	__u64 start_ns;		  /* of the task, CLOCK_BOOTTIME: with its tid it names the task */
	__u64 switches;		  /* unchanged between two looks: it has not run */
	struct cgroup_ref cgroup; /* of the cpu controller */
	__u32 tgid;
	__u32 tid;
	__u32 killable; /* 1: a fatal signal would end the wait */
	__u32 frames;	/* of `stack`; 0: this kernel gives none */
	char comm[EVENT_COMM_LEN];
	__u64 stack[HUNGTASK_FRAMES]; /* innermost first; zeros after `frames` */
};

#endif
