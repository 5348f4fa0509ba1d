/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's types as far as we read them. Offsets and values come from the BTF of the running
 * kernel (CO-RE), so the order and the neighbours of a field do not matter here; names and kinds
 * do. This file is the list of kernel internals that we depend on. */
#ifndef HUATUO_BPF_KERNEL_H
#define HUATUO_BPF_KERNEL_H

/* Makes bpf_tracing.h name the registers as the kernel does. */
#define __VMLINUX_H__

#include <linux/bpf.h>
#include <linux/devlink.h>
#include <linux/in6.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __s32 s32;
typedef __s64 s64;
typedef __u32 u32;
typedef __u64 u64;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/* The context of a kprobe: read in place, without relocation. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	u64 regs[31], sp, pc, pstate;
};
struct pt_regs {
	struct user_pt_regs user_regs;
};
#endif

/* The context of a program of a perf event, read in place: where the task was interrupted. */
#if defined(__TARGET_ARCH_x86)
typedef struct pt_regs bpf_user_pt_regs_t;
#elif defined(__TARGET_ARCH_arm64)
typedef struct user_pt_regs bpf_user_pt_regs_t;
#endif
struct bpf_perf_event_data {
	bpf_user_pt_regs_t regs;
	u64 sample_period;
	u64 addr;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Values differ with the configuration: always by bpf_core_enum_value. */
enum cgroup_subsys_id {
	cpu_cgrp_id = 1,
	io_cgrp_id = 2,
	memory_cgrp_id = 3,
};

enum oom_constraint {
	CONSTRAINT_NONE,
};

struct kernfs_node {
	u64 id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	u64 serial_nr;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp;
};

typedef struct {
	s64 counter;
} atomic_long_t;

struct page_counter {
	atomic_long_t usage;
	unsigned long max;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
};

struct percpu_counter {
	s64 count;
};

struct mm_struct {
	struct percpu_counter rss_stat[4];
};

struct signal_struct {
	short oom_score_adj;
};

struct rq {
	u64 clock;
	u64 nr_switches;
	unsigned int nr_running;
};

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	struct cfs_rq *cfs_rq;
};

struct sched_info {
	unsigned long long last_queued;
};

struct thread_info {
	unsigned long flags;
};

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	unsigned int __state;
	unsigned int flags;
	int exit_state;
	unsigned in_iowait : 1;
	unsigned long nvcsw;
	unsigned long nivcsw;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	u64 start_boottime;
	char comm[16];
	struct css_set *cgroups;
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
	struct sched_entity se;
	struct sched_info sched_info;
};

struct net;

struct nsproxy {
	struct net *net_ns;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct oom_control {
	struct mem_cgroup *memcg;
	unsigned long totalpages;
	struct task_struct *chosen;
	enum oom_constraint constraint;
};

struct ns_common {
	unsigned int inum;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct net {
	struct ns_common ns;
	struct hlist_head *dev_index_head;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct device_driver {
	const char *name;
};

struct device {
	struct device *parent;
	struct device_driver *driver;
};

struct net_device;

struct netdev_queue {
	struct net_device *dev;
	unsigned long trans_start;
	unsigned long state;
};

struct net_device {
	char name[16];
	unsigned int flags;
	int ifindex;
	struct netdev_queue *_tx;
	struct hlist_node index_hlist;
	struct device dev;
	possible_net_t nd_net;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct sock *skc_listener;
};

struct sock {
	struct sock_common __sk_common;
	struct mem_cgroup *sk_memcg;
	struct sock_cgroup_data sk_cgrp_data;
	u32 sk_ack_backlog;
	u32 sk_max_ack_backlog;
};

struct inet_connection_sock {
	u8 icsk_ca_state : 5;
	u8 icsk_retransmits;
	u8 icsk_pending;
};

struct request_sock {
	struct sock_common __req_common;
	u8 num_retrans;
};

struct tcp_request_sock {
	u32 snt_isn;
};

struct tcp_skb_cb {
	u32 seq;
	u32 end_seq;
};

struct dst_entry {
	struct net_device *dev;
};

struct sk_buff {
	struct sk_buff *next;
	struct net_device *dev;
	unsigned long _skb_refdst;
	struct sock *sk;
	s64 tstamp;
	char cb[48];
	unsigned int len;
	u16 queue_mapping;
	int skb_iif;
	__be16 protocol;
	u16 network_header;
	unsigned int tail;
	unsigned char *head;
	unsigned char *data;
};

struct devlink;

struct devlink_trap_metadata {
	const char *trap_name;
	enum devlink_trap_type trap_type;
};

enum skb_drop_reason {
	SKB_NOT_DROPPED_YET,
};

struct timerqueue_node {
	s64 expires;
};

struct hrtimer {
	struct timerqueue_node node;
};

struct hw_perf_event {
	struct hrtimer hrtimer;
};

struct perf_event {
	struct hw_perf_event hw;
};

/* What the context of a program of a perf event is in the kernel. */
struct bpf_perf_event_data_kern {
	struct perf_event *event;
};

struct gendisk {
	int major, first_minor;
};

struct request_queue {
	struct gendisk *disk;
};

struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct bio {
	struct blkcg_gq *bi_blkg;
};

struct request {
	struct request_queue *q;
	struct bio *bio;
	u32 cmd_flags;
	unsigned int __data_len;
	u64 start_time_ns, io_start_time_ns;
};

struct mutex {
	atomic_long_t owner;
};

struct rw_semaphore {
	atomic_long_t owner;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct super_block {
	u32 s_dev;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

struct vm_area_struct {
	struct file *vm_file;
};

struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long pgoff;
};

struct mce {
	u64 status, misc, addr, mcgstatus, time, mcgcap, synd, ipid, ppin;
	u8 cpuvendor, bank;
	u32 cpuid, extcpu, socketid, apicid, microcode;
};

struct cper_sec_proc_arm {
	u32 validation_bits;
	u8 affinity_level;
	u64 mpidr, midr;
	u32 running_state, psci_state;
};

/* Read whole, as the firmware's standard lays it out: only its size is asked for. */
struct cper_sec_mem_err {
	u64 validation_bits;
};

/* Only asked whether their fields exist: they tell which arguments the tracepoint passes. */
struct trace_event_raw_mark_victim {
	int uid;
};

struct trace_event_raw_tcp_retransmit_skb {
	int err;
};

struct trace_event_raw_kfree_skb {
	enum skb_drop_reason reason;
	void *rx_sk;
};

struct trace_event_raw_mm_vmscan_direct_reclaim_begin_template {
	u64 memcg_id;
};

#pragma clang attribute pop

#endif
