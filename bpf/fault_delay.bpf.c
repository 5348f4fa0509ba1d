// SPDX-License-Identifier: GPL-2.0
/* Page faults whose page took long to come: from a file (filemap_fault, which all disk and network
 * file systems use), from swap, or into shared memory. Few of the faults whose page is
 * there already come by here. */
#include "kernel.h"
#include "fault_delay.h"
#include "cgroup.bpf.h"
#include "instance.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

volatile __u64 threshold_ns SEC(".data") = 100000000;

/* A fault in progress. The file stays until the function has returned, the mapping may not: the
 * lock of the address space is given back before a long wait. */
struct fault {
	u64 start_ns;
	struct file *file; /* NULL for FAULT_SWAP */
	u64 page;
	u64 source;
};

/* By thread id. Not an LRU: who waits longest would go first. 0.6 MiB. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct fault);
} faults SEC(".maps");

static __always_inline int begin(u64 source, struct file *file, u64 page)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct fault fault = {
		.start_ns = bpf_ktime_get_ns(), .file = file, .page = page, .source = source};

	if (bpf_map_update_elem(&faults, &tid, &fault, BPF_ANY))
		event_forgotten(0);
	return 0;
}

static __always_inline void fill_file(struct fault_delay_event *event, const struct fault *fault)
{
	struct file *file = fault->file;
	const unsigned char *name;

	event->source = fault->source;
	event->page = fault->page;
	event->inode = 0;
	event->device = 0;
	__builtin_memset(event->file, 0, sizeof(event->file));
	if (!file)
		return;
	event->inode = BPF_CORE_READ(file, f_inode, i_ino);
	event->device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(event->file, sizeof(event->file), name);
}

static __always_inline void report(void *ctx, const struct fault *fault, u64 delay_ns)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct cgroup_ref cgroup = cgroup_ref_of(cgroup_memory(task));
	struct emitter by = instance_emitter();
	struct fault_delay_event *event;

	if (!instance_wants(&cgroup, bpf_get_current_pid_tgid() >> 32))
		return;
	event = event_reserve(&by, 0, sizeof(*event), task, &cgroup, &cgroup);
	if (!event)
		return;
	event->delay_ns = delay_ns;
	event->threshold_ns = threshold_ns;
	fill_file(event, fault);
	__builtin_memset(&event->stack, 0, sizeof(event->stack));
	bpf_get_stack(ctx, &event->stack, sizeof(event->stack), 0);
	event_submit(event);
}

static __always_inline int end(void *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct fault *fault = bpf_map_lookup_elem(&faults, &tid);
	u64 delay_ns;

	if (!fault)
		return 0;
	delay_ns = bpf_ktime_get_ns() - fault->start_ns;
	if (delay_ns >= threshold_ns)
		report(ctx, fault, delay_ns);
	bpf_map_delete_elem(&faults, &tid);
	return 0;
}

SEC("fentry/filemap_fault")
int BPF_PROG(fault_file_fentry, struct vm_fault *fault)
{
	return begin(FAULT_FILE, fault->vma->vm_file, fault->pgoff);
}

SEC("fexit/filemap_fault")
int fault_file_fexit(void *ctx)
{
	return end(ctx);
}

SEC("fentry/shmem_fault")
int BPF_PROG(fault_shmem_fentry, struct vm_fault *fault)
{
	return begin(FAULT_SHMEM, fault->vma->vm_file, fault->pgoff);
}

SEC("fexit/shmem_fault")
int fault_shmem_fexit(void *ctx)
{
	return end(ctx);
}

SEC("fentry/do_swap_page")
int fault_swap_fentry(void *ctx)
{
	return begin(FAULT_SWAP, NULL, 0);
}

SEC("fexit/do_swap_page")
int fault_swap_fexit(void *ctx)
{
	return end(ctx);
}

SEC("kprobe/filemap_fault")
int BPF_KPROBE(fault_file_kprobe, struct vm_fault *fault)
{
	return begin(FAULT_FILE, BPF_CORE_READ(fault, vma, vm_file), BPF_CORE_READ(fault, pgoff));
}

SEC("kretprobe/filemap_fault")
int fault_file_kretprobe(void *ctx)
{
	return end(ctx);
}

SEC("kprobe/shmem_fault")
int BPF_KPROBE(fault_shmem_kprobe, struct vm_fault *fault)
{
	return begin(FAULT_SHMEM, BPF_CORE_READ(fault, vma, vm_file), BPF_CORE_READ(fault, pgoff));
}

SEC("kretprobe/shmem_fault")
int fault_shmem_kretprobe(void *ctx)
{
	return end(ctx);
}

SEC("kprobe/do_swap_page")
int fault_swap_kprobe(void *ctx)
{
	return begin(FAULT_SWAP, NULL, 0);
}

SEC("kretprobe/do_swap_page")
int fault_swap_kretprobe(void *ctx)
{
	return end(ctx);
}
