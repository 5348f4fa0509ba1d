/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_SOFTLOCKUP_H
#define HUATUO_BPF_SOFTLOCKUP_H

#include "event.h"
#include "tick.h"

enum softlockup_source {
	SOFTLOCKUP_BY_TICK = 0,
	SOFTLOCKUP_BY_WATCHDOG = 1, /* the kernel's own said so */
};

/* A CPU has not switched tasks although it was due to. header: the task that holds it. */
struct softlockup_event {
	struct event_header header;
	__u64 duration_ns;  /* until now; it goes on */
	__u64 threshold_ns; /* 0: the kernel's */
	struct tick_place place;
	__u32 source; /* enum softlockup_source */
	__u32 reserved;
};

#endif
