// SPDX-License-Identifier: GPL-2.0
/* How long chosen system calls took. The hooks are at all of them, and make the kernel take its
 * slow way into each: nothing of this is attached unless somebody asks. */
#include "kernel.h"
#include "syscalls.h"
#include "cgroup.bpf.h"
#include "subject.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* By number: 1 + the kind of its latencies; 0: it is not wanted. */
const volatile __u8 kind_of[SYSCALLS_NUMBERS] = {};

/* When the thread entered. A thread that died in a system call leaves its entry behind. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} entered SEC(".maps");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct thread_info___status {
	u32 status;
};
struct task_struct___status {
	struct thread_info___status thread_info;
};
#pragma clang attribute pop

/* Of x86's asm/thread_info.h. */
#define TS_COMPAT 0x0002

/* Programs of 32 bits have numbers of their own. */
static __always_inline bool compat(void)
{
	struct task_struct___status *task = (void *)bpf_get_current_task();

	if (!bpf_core_field_exists(task->thread_info.status))
		return false;
	return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

/* 0: not wanted. */
static __always_inline u32 wanted(u64 number)
{
	/* One register for the check and the use: older verifiers lose the bound in a copy. */
	asm volatile("" : "+r"(number));
	if (number >= SYSCALLS_NUMBERS)
		return 0;
	return kind_of[number];
}

/* Behind the registers that kernel.h has. */
static __always_inline u64 number_of(struct pt_regs *registers)
{
	u64 number = ~0ULL;

#if defined(__TARGET_ARCH_x86)
	bpf_probe_read_kernel(&number, sizeof(number), &registers->orig_ax);
#else
	s32 plain = -1;

	bpf_probe_read_kernel(&plain, sizeof(plain), (u64 *)(registers + 1) + 1);
	number = plain;
#endif
	return number;
}

SEC("raw_tp/sys_enter")
int BPF_PROG(syscalls_enter, struct pt_regs *registers, long number)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now;

	if (!wanted(number) || compat())
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&entered, &tid, &now, BPF_ANY);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(syscalls_exit, struct pt_regs *registers, long result)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 kind = wanted(number_of(registers));
	u64 *since;
	u64 ns;

	if (!kind)
		return 0;
	since = bpf_map_lookup_elem(&entered, &tid);
	if (!since)
		return 0;
	ns = bpf_ktime_get_ns() - *since;
	bpf_map_delete_elem(&entered, &tid);
	count_subject(kind - 1, cgroup_cpu((void *)bpf_get_current_task()), ns);
	return 0;
}
