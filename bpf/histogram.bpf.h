/* SPDX-License-Identifier: GPL-2.0 */
/* The log2 scheme of every latency histogram: [0] <= 1 us, [i] <= 2^i us, the last: the rest. */
#ifndef HUATUO_BPF_HISTOGRAM_BPF_H
#define HUATUO_BPF_HISTOGRAM_BPF_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>

/* Floor of the logarithm of a value below 2^32, without a jump: latencies are what a branch
 * predictor knows least. */
static __always_inline u64 log2_of(u64 value)
{
	u64 log = 0;
	u64 step;

#pragma unroll
	for (int shift = 4; shift >= 0; shift--) {
		/* The sign of the difference: 1 when value >= 2^2^shift. */
		step = ((1ULL << (1 << shift)) - 1 - value) >> 63 << shift;
		asm volatile("" : "+r"(step));
		value >>= step;
		log += step;
	}
	return log;
}

/* What usual_bucket has no index for. */
#define BUCKET_UNUSUAL 64

/* Index of the bucket up to 256 us, with few comparisons; beyond that BUCKET_UNUSUAL. */
static __always_inline u64 usual_bucket(u64 ns)
{
	if (ns <= 1000)
		return 0;
	if (ns <= 16000) {
		if (ns <= 4000)
			return ns <= 2000 ? 1 : 2;
		return ns <= 8000 ? 3 : 4;
	}
	if (ns <= 256000) {
		if (ns <= 64000)
			return ns <= 32000 ? 5 : 6;
		return ns <= 128000 ? 7 : 8;
	}
	return BUCKET_UNUSUAL;
}

/* Index of the bucket, below `buckets` (a constant, at most 33). No division: BPF would do it in 64
 * bits, which costs more than all the rest. */
static __always_inline u64 bucket_of(u64 ns, u64 buckets)
{
	u64 log = usual_bucket(ns);

	if (log != BUCKET_UNUSUAL)
		return log;
	if (ns > 1000ULL << (buckets - 2))
		return buckets - 1;
	/* 1000 is a little less than 2^10, so the bound of the bucket can lie on either side. */
	log = log2_of(ns >> 9);
	log += ns > 1000ULL << log;
	/* One register for the check and the use: older verifiers lose the bound in a copy. */
	asm volatile("" : "+r"(log));
	if (log >= buckets)
		log = buckets - 1;
	return log;
}

#endif
