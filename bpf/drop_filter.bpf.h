/* SPDX-License-Identifier: GPL-2.0 */
/* Which drops an instance wants. Can be changed at any time: user space writes the filter that is
 * not in use, and then the number of the one that is, so that no program sees half of one. */
#ifndef HUATUO_BPF_DROP_FILTER_BPF_H
#define HUATUO_BPF_DROP_FILTER_BPF_H

#include "kernel.h"
#include "dropwatch.h"
#include "packet.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

volatile struct drop_filter filters[2] SEC(".data") = {};
volatile __u32 filter_in_use SEC(".data") = 0;

/* Asked for once a packet: what it returns is the same filter to its end. */
static __always_inline const volatile struct drop_filter *filter_now(void)
{
	u64 index = filter_in_use & 1;

	/* One pointer: of two the verifier would follow each. */
	asm volatile("" : "+r"(index));
	return &filters[index & 1];
}

static __always_inline bool filter_wants_device(const volatile struct drop_filter *filter,
						struct net_device *dev)
{
	u64 name[2] = {};

	if (!dev || bpf_probe_read_kernel_str(name, sizeof(name), &dev->name) < 0)
		return false;
	return name[0] == filter->device[0] && name[1] == filter->device[1];
}

static __always_inline bool filter_wants_reason(const volatile struct drop_filter *filter,
						u32 reason)
{
	return !(filter->terms & DROP_FILTER_REASON) || filter->reason == reason;
}

/* Where the packet was; `dev` may be NULL. */
static __always_inline bool filter_wants_place(const volatile struct drop_filter *filter, u32 netns,
					       struct net_device *dev)
{
	if (filter->terms & DROP_FILTER_NETNS && filter->netns != netns)
		return false;
	return !(filter->terms & DROP_FILTER_DEVICE) || filter_wants_device(filter, dev);
}

/* From here on, what differs from what the filter asks for, as a number that is not 0. Without
 * branches: the verifier would follow each way of each term, and a load would take seconds. */

/* `difference` when the filter has the term. Each is finished before the next one begins: there are
 * few registers. */
static __always_inline u32 if_asked(const volatile struct drop_filter *filter, u32 term,
				    u32 difference)
{
	difference &= 0 - (filter->terms >> __builtin_ctz(term) & 1);
	asm volatile("" : "+r"(difference));
	return difference;
}

/* 1 for all but 0. */
static __always_inline u32 nonzero(u32 value)
{
	return (value | (0 - value)) >> 31;
}

static __always_inline u32 net_difference(const volatile struct drop_net *net, const u32 *address)
{
	u32 different = 0;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		different |= (address[i] & net->mask[i]) ^ net->address[i];
		asm volatile("" : "+r"(different));
	}
	return different;
}

#define DROP_FILTER_PORTS (DROP_FILTER_SPORT | DROP_FILTER_DPORT | DROP_FILTER_PORT)

static __always_inline u32 ports_difference(const volatile struct drop_filter *filter, u32 sport,
					    u32 dport)
{
	u32 port = filter->port;
	u32 found = if_asked(filter, DROP_FILTER_SPORT, filter->sport ^ sport);

	found |= if_asked(filter, DROP_FILTER_DPORT, filter->dport ^ dport);
	found |= if_asked(filter, DROP_FILTER_PORT, (port ^ sport) * (port ^ dport));
	return found;
}

#define DROP_FILTER_NETS (DROP_FILTER_SRC | DROP_FILTER_DST | DROP_FILTER_NET)

static __noinline u32 nets_difference(const volatile struct drop_filter *filter, const u32 *saddr,
				      const u32 *daddr)
{
	u32 found = nonzero(net_difference(&filter->net, saddr));

	found = if_asked(filter, DROP_FILTER_NET,
			 found & nonzero(net_difference(&filter->net, daddr)));
	found |= if_asked(filter, DROP_FILTER_SRC, net_difference(&filter->src, saddr));
	found |= if_asked(filter, DROP_FILTER_DST, net_difference(&filter->dst, daddr));
	return found;
}

static __always_inline u32 header_difference(const volatile struct drop_filter *filter, u32 version,
					     u32 protocol)
{
	u32 found = if_asked(filter, DROP_FILTER_VERSION, filter->version ^ version);

	return found | if_asked(filter, DROP_FILTER_PROTOCOL, filter->protocol ^ protocol);
}

/* False when the IPv4 header and what follows it say already that the packet is not wanted, so that
 * the rest of it need not be read. Behind IP options and in fragments may be anything; IPv6 is
 * looked into. */
static __always_inline bool filter_may_want(const volatile struct drop_filter *filter,
					    const struct packet_place *place,
					    const union ip_start *ip)
{
	u32 saddr[4] = {0, 0, bpf_htonl(0xffff), ip->v4.saddr};
	u32 daddr[4] = {0, 0, bpf_htonl(0xffff), ip->v4.daddr};

	if (ip->v4.version != 4)
		return true;
	if (header_difference(filter, 4, ip->v4.protocol) | nets_difference(filter, saddr, daddr))
		return false;
	if (!(filter->terms & DROP_FILTER_PORTS) || ip->v4.ihl != 5 ||
	    place->network + 24 > place->end || ip->v4.frag_off & bpf_htons(0x1fff))
		return true;
	if (ip->v4.protocol != IPPROTO_TCP && ip->v4.protocol != IPPROTO_UDP)
		return false;
	return !ports_difference(filter, bpf_ntohs(ip->v4_ports[0]), bpf_ntohs(ip->v4_ports[1]));
}

/* Of a packet of IP. */
static __always_inline bool filter_wants_packet(const volatile struct drop_filter *filter,
						const struct drop_packet *packet)
{
	u32 no_ports = 1 ^ (packet->has >> __builtin_ctz(DROP_HAS_PORTS) & 1);
	u32 no_addresses = 1 ^ (packet->has >> __builtin_ctz(DROP_HAS_ADDRESSES) & 1);
	u32 difference = (filter->terms & DROP_FILTER_PORTS) * no_ports;

	difference |= (filter->terms & DROP_FILTER_NETS) * no_addresses;
	difference |= header_difference(filter, packet->version, packet->protocol);
	difference |= ports_difference(filter, packet->sport, packet->dport);
	difference |= nets_difference(filter, packet->saddr, packet->daddr);
	return !difference;
}

#endif
