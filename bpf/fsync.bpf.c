// SPDX-License-Identifier: GPL-2.0
/* How long tasks were blocked until their file was on the disk: fsync, fdatasync, msync, and writes
 * of files that are open for synchronous writing. */
#include "kernel.h"
#include "subject.h"
#include "cgroup.bpf.h"
#include "subject.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/errno.h>

char LICENSE[] SEC("license") = "GPL";

/* When the thread began. Only who is at it matters: the others may be evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, u64);
} begun SEC(".maps");

/* One call passes several of the functions below, and a file system above another one (overlay)
 * passes them again for the lower file: the time of the outermost is the task's. */
static __always_inline int begin(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&begun, &tid, &now, BPF_NOEXIST);
	return 0;
}

static __always_inline int end(int error)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *since = bpf_map_lookup_elem(&begun, &tid);
	u64 ns;

	if (!since)
		return 0;
	ns = bpf_ktime_get_ns() - *since;
	bpf_map_delete_elem(&begun, &tid);
	/* The number of no file: nobody waited. */
	if (error != -EBADF)
		count_subject(0, cgroup_cpu((void *)bpf_get_current_task()), ns);
	return 0;
}

/* The result of a function follows its arguments. */
#define FSYNC_FUNCTION(function, arguments)                                                        \
	SEC("fentry/" #function)                                                                   \
	int function##_fentry(void *ctx)                                                           \
	{                                                                                          \
		return begin();                                                                    \
	}                                                                                          \
	SEC("fexit/" #function)                                                                    \
	int function##_fexit(unsigned long long *ctx)                                              \
	{                                                                                          \
		return end(ctx[arguments]);                                                        \
	}                                                                                          \
	SEC("kprobe/" #function)                                                                   \
	int function##_kprobe(void *ctx)                                                           \
	{                                                                                          \
		return begin();                                                                    \
	}                                                                                          \
	SEC("kretprobe/" #function)                                                                \
	int function##_kretprobe(struct pt_regs *ctx)                                              \
	{                                                                                          \
		return end(PT_REGS_RC(ctx));                                                       \
	}

/* Each may be inlined in the one below it: Debian's 7.3 has the first inlined in both others. */
FSYNC_FUNCTION(vfs_fsync_range, 4)
FSYNC_FUNCTION(vfs_fsync, 2)
FSYNC_FUNCTION(do_fsync, 2)

SEC("raw_tp/ext4_sync_file_enter")
int fsync_ext4_enter(void *ctx)
{
	return begin();
}

SEC("raw_tp/ext4_sync_file_exit")
int fsync_ext4_exit(void *ctx)
{
	return end(0);
}
