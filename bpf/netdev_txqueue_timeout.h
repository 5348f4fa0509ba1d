/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_NETDEV_TXQUEUE_TIMEOUT_H
#define HUATUO_BPF_NETDEV_TXQUEUE_TIMEOUT_H

#include "event.h"

/* A transmit queue that did not move. header: the task that the timer interrupted; header.cgroup:
 * the network namespace of the device. */
struct netdev_txqueue_timeout_event {
	struct event_header header;
	__u64 stalled_jiffies; /* since the last packet was given to the device */
	__u32 queue_index;
	__u32 ifindex;
	char device_name[16];
	char driver_name[32]; /* "": no driver */
};

#endif
