// SPDX-License-Identifier: GPL-2.0
/* Errors that the hardware reports, at each place where the kernel tells of one. Every report is
 * counted by its source before anything can refuse it. Raw tracepoints, because the typed ones of
 * 5.10 refuse arguments that point to bytes. */
#include "kernel.h"
#include "ras.h"
#include "compat.bpf.h"
#include "instance.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* The interrupt says that a CPU has counted enough corrected errors, and comes again and again;
 * what is within the cool-down counts as refused. */
volatile __u64 threshold_cooldown_ns SEC(".data") = 1800000000000;
volatile __u64 threshold_quiet_until SEC(".data") = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RAS_SOURCES);
	__type(key, u32);
	__type(value, u64);
} errors SEC(".maps");

static __always_inline void count(u32 source)
{
	u64 *value = bpf_map_lookup_elem(&errors, &source);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* A zeroed record, limited on its own: an error is nobody's. */
static __always_inline struct ras_event *begin(u32 source)
{
	struct cgroup_ref none = {.hierarchy = source};
	struct cgroup_ref nobody = {};
	struct emitter by = instance_emitter();
	struct ras_event *event;

	count(source);
	event = event_reserve(&by, 0, sizeof(*event), (void *)bpf_get_current_task(), &nobody,
			      &none);
	if (!event)
		return NULL;
	__builtin_memset(event->number, 0, sizeof(event->number));
	__builtin_memset(event->text, 0, sizeof(event->text));
	__builtin_memset(event->raw, 0, sizeof(event->raw));
	event->raw_len = 0;
	event->source = source;
	return event;
}

static __always_inline void fill_text(struct ras_event *event, u32 index, const void *text)
{
	if (text)
		bpf_probe_read_kernel_str(event->text[index], RAS_TEXT_LEN, text);
}

static __always_inline void fill_guid(struct ras_event *event, u32 index, const void *guid)
{
	if (guid)
		bpf_probe_read_kernel(&event->number[index], 16, guid);
}

static __always_inline void fill_raw(struct ras_event *event, const void *raw, u32 length)
{
	u64 copied = length < RAS_RAW_LEN ? length : RAS_RAW_LEN;

	event->raw_len = length;
	/* One register for the check and the use: older verifiers lose the bound in a copy. */
	asm volatile("" : "+r"(copied));
	if (raw && copied <= RAS_RAW_LEN)
		bpf_probe_read_kernel(event->raw, copied, raw);
}

/* Since 6.13 the record is wrapped in a struct mce_hw_err, as its first member. A kernel built
 * without machine checks has no such struct. */
SEC("raw_tp/mce_record")
int ras_mce(unsigned long long *ctx)
{
	struct mce *mce = (void *)ctx[0];
	struct ras_event *event;

	if (!bpf_core_type_exists(struct mce))
		return 0;
	event = begin(RAS_MCE);
	if (!event)
		return 0;
	event->number[MCE_STATUS] = BPF_CORE_READ(mce, status);
	event->number[MCE_ADDRESS] = BPF_CORE_READ(mce, addr);
	event->number[MCE_MISC] = BPF_CORE_READ(mce, misc);
	event->number[MCE_MCG_STATUS] = BPF_CORE_READ(mce, mcgstatus);
	event->number[MCE_MCG_CAP] = BPF_CORE_READ(mce, mcgcap);
	event->number[MCE_SYND] = BPF_CORE_READ(mce, synd);
	event->number[MCE_IPID] = BPF_CORE_READ(mce, ipid);
	event->number[MCE_PPIN] = BPF_CORE_READ(mce, ppin);
	event->number[MCE_TIME] = BPF_CORE_READ(mce, time);
	event->number[MCE_BANK] = BPF_CORE_READ(mce, bank);
	event->number[MCE_CPU] = BPF_CORE_READ(mce, extcpu);
	event->number[MCE_SOCKET] = BPF_CORE_READ(mce, socketid);
	event->number[MCE_APIC] = BPF_CORE_READ(mce, apicid);
	event->number[MCE_CPUID] = BPF_CORE_READ(mce, cpuid);
	event->number[MCE_VENDOR] = BPF_CORE_READ(mce, cpuvendor);
	event->number[MCE_MICROCODE] = BPF_CORE_READ(mce, microcode);
	event_submit(event);
	return 0;
}

/* (type, message, label, count, controller, top, middle, lower layer, address, grain bits,
 * syndrome, driver's detail) */
SEC("raw_tp/mc_event")
int ras_edac(unsigned long long *ctx)
{
	struct ras_event *event = begin(RAS_EDAC);

	if (!event)
		return 0;
	event->number[EDAC_TYPE] = (u32)ctx[0];
	event->number[EDAC_COUNT] = (u32)ctx[3];
	event->number[EDAC_CONTROLLER] = (u8)ctx[4];
	event->number[EDAC_LAYERS] = (u8)ctx[5] | (u64)(u8)ctx[6] << 8 | (u64)(u8)ctx[7] << 16;
	event->number[EDAC_ADDRESS] = ctx[8];
	event->number[EDAC_GRAIN_BITS] = (u8)ctx[9];
	event->number[EDAC_SYNDROME] = ctx[10];
	fill_text(event, 0, (void *)ctx[1]);
	fill_text(event, 1, (void *)ctx[2]);
	fill_text(event, 2, (void *)ctx[11]);
	event_submit(event);
	return 0;
}

/* (device, status, severity, whether there is a header, the header): its four words come first,
 * whatever the kernel calls the struct. */
SEC("raw_tp/aer_event")
int ras_aer(unsigned long long *ctx)
{
	struct ras_event *event = begin(RAS_AER);

	if (!event)
		return 0;
	event->number[AER_STATUS] = (u32)ctx[1];
	event->number[AER_SEVERITY] = (u8)ctx[2];
	event->number[AER_HAS_HEADER] = (u8)ctx[3] != 0;
	if ((u8)ctx[3])
		bpf_probe_read_kernel(&event->number[AER_HEADER], 16, (void *)ctx[4]);
	fill_text(event, 0, (void *)ctx[0]);
	event_submit(event);
	return 0;
}

/* (type of the section, FRU id, FRU text, severity, section, its length) */
SEC("raw_tp/non_standard_event")
int ras_non_standard(unsigned long long *ctx)
{
	struct ras_event *event = begin(RAS_NON_STANDARD);

	if (!event)
		return 0;
	event->number[NON_STANDARD_SEVERITY] = (u8)ctx[3];
	fill_guid(event, NON_STANDARD_TYPE, (void *)ctx[0]);
	fill_guid(event, NON_STANDARD_FRU, (void *)ctx[1]);
	fill_text(event, 0, (void *)ctx[2]);
	fill_raw(event, (void *)ctx[4], ctx[5]);
	event_submit(event);
	return 0;
}

SEC("raw_tp/arm_event")
int ras_arm(unsigned long long *ctx)
{
	struct cper_sec_proc_arm *error = (void *)ctx[0];
	struct ras_event *event = begin(RAS_ARM);

	if (!event)
		return 0;
	event->number[ARM_VALID] = BPF_CORE_READ(error, validation_bits);
	event->number[ARM_MPIDR] = BPF_CORE_READ(error, mpidr);
	event->number[ARM_MIDR] = BPF_CORE_READ(error, midr);
	event->number[ARM_RUNNING] = BPF_CORE_READ(error, running_state);
	event->number[ARM_PSCI] = BPF_CORE_READ(error, psci_state);
	event->number[ARM_AFFINITY] = BPF_CORE_READ(error, affinity_level);
	event_submit(event);
	return 0;
}

/* (page frame, kind of page, result) */
SEC("raw_tp/memory_failure_event")
int ras_memory_failure(unsigned long long *ctx)
{
	struct ras_event *event = begin(RAS_MEMORY_FAILURE);

	if (!event)
		return 0;
	event->number[MEMORY_FAILURE_PFN] = ctx[0];
	event->number[MEMORY_FAILURE_PAGE_TYPE] = (u32)ctx[1];
	event->number[MEMORY_FAILURE_RESULT] = (u32)ctx[2];
	event_submit(event);
	return 0;
}

/* (section, sequence, FRU id, FRU text, severity) */
SEC("raw_tp/extlog_mem_event")
int ras_extlog(unsigned long long *ctx)
{
	struct cper_sec_mem_err *error = (void *)ctx[0];
	struct ras_event *event = begin(RAS_EXTLOG);

	if (!event)
		return 0;
	event->number[EXTLOG_SEVERITY] = (u8)ctx[4];
	event->number[EXTLOG_SEQUENCE] = (u32)ctx[1];
	fill_guid(event, EXTLOG_FRU, (void *)ctx[2]);
	fill_text(event, 0, (void *)ctx[3]);
	fill_raw(event, error, bpf_core_type_size(struct cper_sec_mem_err));
	event_submit(event);
	return 0;
}

/* Two CPUs at the same moment may both be the first. */
SEC("raw_tp/threshold_apic_entry")
int ras_threshold(unsigned long long *ctx)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct ras_event *event;

	if (now < threshold_quiet_until) {
		count(RAS_MCE_THRESHOLD);
		event_refuse(0);
		return 0;
	}
	threshold_quiet_until = now + threshold_cooldown_ns;
	event = begin(RAS_MCE_THRESHOLD);
	if (!event)
		return 0;
	event->number[THRESHOLD_VECTOR] = (u32)ctx[0];
	event_submit(event);
	return 0;
}
