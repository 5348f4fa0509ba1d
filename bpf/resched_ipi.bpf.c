// SPDX-License-Identifier: GPL-2.0
/* Interrupts that ask a CPU to schedule: from the sending to the handler. x86 alone has the hook of
 * the handler. */
#include "kernel.h"
#include "resched_ipi.h"
#include "histogram.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* By the CPU that is asked; the loader resizes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct resched_ipi_cpu);
} asked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct resched_ipi);
} arrived SEC(".maps");

/* Those that are sent while one is under way arrive together with it. */
static __always_inline int on_send(u32 cpu)
{
	struct resched_ipi_cpu *state = bpf_map_lookup_elem(&asked, &cpu);

	if (state && !state->sent_ns)
		state->sent_ns = bpf_ktime_get_ns();
	return 0;
}

/* Since 68e2d17c9eb3 in 6.4. `function` is what another CPU is to call: not to schedule. */
SEC("raw_tp/ipi_send_cpu")
int BPF_PROG(resched_ipi_send, u32 cpu, unsigned long place, void *function)
{
	return function ? 0 : on_send(cpu);
}

SEC("kprobe/native_smp_send_reschedule")
int BPF_KPROBE(resched_ipi_send_kprobe, int cpu)
{
	return on_send(cpu);
}

SEC("raw_tp/reschedule_entry")
int BPF_PROG(resched_ipi_arrive, int vector)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct resched_ipi_cpu *state = bpf_map_lookup_elem(&asked, &cpu);
	struct resched_ipi *count;
	u32 zero = 0;
	u64 since, ns;

	if (!state || !state->sent_ns)
		return 0;
	since = state->sent_ns;
	ns = bpf_ktime_get_ns();
	state->sent_ns = 0;
	ns = ns > since ? ns - since : 0;
	count = bpf_map_lookup_elem(&arrived, &zero);
	if (!count)
		return 0;
	count->latency.bucket[bucket_of(ns, LATENCY_BUCKETS)]++;
	count->latency.sum_ns += ns;
	if ((u32)bpf_get_current_pid_tgid())
		return 0;
	count->idle++;
	if (ns > RESCHED_IPI_LATE_NS)
		count->idle_late++;
	return 0;
}
