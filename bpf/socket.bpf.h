/* SPDX-License-Identifier: GPL-2.0 */
/* Whose a socket is. */
#ifndef HUATUO_BPF_SOCKET_BPF_H
#define HUATUO_BPF_SOCKET_BPF_H

#include "kernel.h"
#include "cgroup.bpf.h"
#include "event.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* States of sockets that are not whole ones. */
#define TCP_TIME_WAIT	 6
#define TCP_NEW_SYN_RECV 12

/* A request or a socket in TIME_WAIT has less than a socket; a request knows its listener. */
static __always_inline struct sock *whole_socket(struct sock *sk)
{
	u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (state == TCP_TIME_WAIT)
		return NULL;
	return state == TCP_NEW_SYN_RECV ? BPF_CORE_READ(sk, __sk_common.skc_listener) : sk;
}

/* The v2 cgroup that the socket was made in, else its memory cgroup. Both are the root's where the
 * hierarchy is not used: then nobody is known by it. */
static __always_inline bool socket_cgroup(struct sock *sk, struct cgroup_ref *ref)
{
	struct cgroup *cgroup = NULL;
	struct mem_cgroup *memcg;

	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	if (!cgroup || !BPF_CORE_READ(cgroup, self.parent)) {
		if (!bpf_core_field_exists(sk->sk_memcg))
			return false;
		/* Flags in the low bits. */
		memcg = (void *)((unsigned long)BPF_CORE_READ(sk, sk_memcg) & ~7UL);
		if (!memcg || !BPF_CORE_READ(memcg, css.parent))
			return false;
		cgroup = BPF_CORE_READ(memcg, css.cgroup);
	}
	*ref = cgroup_ref_of(cgroup);
	return true;
}

/* The cgroup of a whole socket, else the network namespace; all zero when both are unknown. */
static __always_inline struct cgroup_ref socket_subject(struct sock *sk, struct net *net)
{
	struct cgroup_ref ref = {};

	if (sk && socket_cgroup(sk, &ref))
		return ref;
	ref.id = net ? BPF_CORE_READ(net, ns.inum) : 0;
	ref.hierarchy = ref.id ? EVENT_NETNS : 0;
	return ref;
}

#endif
