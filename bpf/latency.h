/* SPDX-License-Identifier: GPL-2.0 */
/* A histogram of latencies as BPF programs keep it, by the scheme of histogram.bpf.h. */
#ifndef HUATUO_BPF_LATENCY_H
#define HUATUO_BPF_LATENCY_H

#include <linux/types.h>

/* Buckets [0] <= 1 us, [i] <= 2^i us, ..., [24] <= 16.8 s, [25] the rest. */
#define LATENCY_BUCKETS 26

struct latency {
	__u64 bucket[LATENCY_BUCKETS]; /* counts of each bucket, not cumulative */
	__u64 sum_ns;
};

#endif
