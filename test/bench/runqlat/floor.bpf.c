// SPDX-License-Identifier: GPL-2.0
/* Does nothing: what bpf_stats and the call itself cost. */
#include "ways.bpf.h"

SEC("tp_btf/sched_switch")
int BPF_PROG(floor_switch)
{
	return 0;
}
