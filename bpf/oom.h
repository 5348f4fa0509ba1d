/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_OOM_H
#define HUATUO_BPF_OOM_H

#include "event.h"

/* Not known: this mechanism cannot see it. */
#define OOM_UNKNOWN_U64 (~0ULL)
#define OOM_UNKNOWN_S32 (-0x7fffffff - 1)

enum oom_scope {
	OOM_SCOPE_UNKNOWN = 0,
	OOM_SCOPE_MEMCG = 1,
	OOM_SCOPE_GLOBAL = 2,
};

enum oom_mechanism {
	OOM_BY_FENTRY = 0,
	OOM_BY_KPROBE = 1,
	OOM_BY_MARK_VICTIM = 2,
};

/* One kill. header: the task that hit the limit (the trigger), header.cgroup its memory cgroup. */
struct oom_event {
	struct event_header header;
	struct cgroup_ref victim_cgroup; /* memory cgroup of the victim */
	struct cgroup_ref memcg;	 /* the exhausted domain; 0 when global or unknown */
	__u64 limit_pages;		 /* what the domain was allowed */
	__u64 usage_pages;		 /* what the domain used */
	__u64 victim_rss_anon_pages;
	__u64 victim_rss_file_pages;
	__u32 victim_tgid;
	__s32 oom_score_adj;
	__u32 scope;	    /* enum oom_scope */
	__s32 constraint;   /* of the kernel: 0 none, 1 cpuset, 2 mempolicy, 3 memcg */
	__u32 mechanism;    /* enum oom_mechanism */
	__u32 killed_count; /* 1; user space folds the further victims of a trigger into it */
	char victim_comm[EVENT_COMM_LEN];
};

#endif
