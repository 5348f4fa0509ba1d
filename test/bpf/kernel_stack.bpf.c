// SPDX-License-Identifier: GPL-2.0
/* Asks for the stack of every dropped packet of the machine, and, where it was known, the kernel's
 * unwinder as well. */
#include "kernel_stack.bpf.h"

#include "kernel_stack.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_comparison);
} comparisons SEC(".maps");

/* Without the first ones, which are those of this program: it asks in two places, and the kernel
 * calls it from another one while it measures programs. */
static __always_inline bool same(const struct event_stack *known, const struct event_stack *found)
{
	for (int i = KERNEL_STACK_OWN_FRAMES; i < EVENT_STACK_FRAMES; i++) {
		if (known->frame[i] != found->frame[i])
			return false;
	}
	return true;
}

static __always_inline void judge(struct stack_comparison *of)
{
	if (same(&of->known, &of->found))
		return;
	if (!of->different++) {
		of->known_example = of->known;
		of->found_example = of->found;
	}
}

static __always_inline int compare(void *ctx, u64 location)
{
	u32 zero = 0;
	struct stack_comparison *of = bpf_map_lookup_elem(&comparisons, &zero);
	/* A drop in an interrupt of this one would write over it. */
	if (!of || of->busy)
		return 0;
	of->busy = 1;
	asm volatile("" ::: "memory");
	of->stacks++;
	if (kernel_stack(ctx, location, bpf_ktime_get_ns(), &of->known)) {
		of->from_memory++;
		bpf_get_stack(ctx, &of->found, sizeof(of->found), 0);
		judge(of);
	}
	asm volatile("" ::: "memory");
	of->busy = 0;
	return 0;
}

SEC("raw_tp/kfree_skb")
int compare_raw(struct bpf_raw_tracepoint_args *ctx)
{
	return compare(ctx, ctx->args[1]);
}

SEC("tp_btf/kfree_skb")
int compare_btf(unsigned long long *ctx)
{
	return compare(ctx, ctx[1]);
}
