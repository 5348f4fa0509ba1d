/* SPDX-License-Identifier: GPL-2.0 */
/* What a socket buffer says about its packet: addresses, ports, TCP fields.
 *
 * Read from the network header that the kernel has set; of a tunnel that is the outermost one. Only
 * the linear part is read, and nothing behind its end: a buffer is larger than its packet. */
#ifndef HUATUO_BPF_PACKET_BPF_H
#define HUATUO_BPF_PACKET_BPF_H

#include "kernel.h"
#include "dropwatch.h"
#include "load.bpf.h"
#include "packet_drops.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#define ETHERTYPE_IP	    0x0800
#define ETHERTYPE_IPV6	    0x86dd
#define ETHERNET_HEADER_LEN 14
#define TCP_FLAG_FIN	    0x01
#define TCP_FLAG_SYN	    0x02

/* Where the IP header is; `end` and the offsets count from `head`. */
struct packet_place {
	unsigned char *head;
	u32 network;
	u32 end;
};

/* The header of either version, and the four bytes after the shortest one. */
union ip_start {
	struct {
		struct iphdr v4;
		__be16 v4_ports[2];
	};
	struct {
		struct ipv6hdr v6;
		__be16 v6_ports[2];
	};
};

struct tcp_start {
	__be16 sport, dport;
	__be32 seq, ack_seq;
	u8 offset, flags;
	__be16 window;
};

/* Longer chains of IPv6 extension headers hide the protocol. */
#define IPV6_EXTENSIONS 4

/* False when there is no IP header. */
static __always_inline bool packet_find(bool typed, struct sk_buff *skb, struct packet_place *place)
{
	u16 ethertype = bpf_ntohs(LOAD(typed, skb, protocol));

	if (ethertype != ETHERTYPE_IP && ethertype != ETHERTYPE_IPV6)
		return false;
	place->head = LOAD(typed, skb, head);
	place->network = LOAD(typed, skb, network_header);
	place->end = LOAD(typed, skb, tail);
	return place->network != 0xffff && place->network + sizeof(struct iphdr) <= place->end;
}

/* Behind a short packet in its buffer are others' bytes, but no unmapped memory: the buffer ends
 * with the 320 bytes of skb_shared_info. */
static __always_inline bool packet_read(const struct packet_place *place, union ip_start *ip)
{
	return bpf_probe_read_kernel(ip, sizeof(*ip), place->head + place->network) == 0;
}

static __always_inline void fill_ipv4(struct drop_packet *packet, const struct iphdr *ip)
{
	packet->saddr[2] = packet->daddr[2] = bpf_htonl(0xffff);
	packet->saddr[3] = ip->saddr;
	packet->daddr[3] = ip->daddr;
	packet->version = 4;
	packet->protocol = ip->protocol;
	packet->has = DROP_HAS_ADDRESSES;
}

static __always_inline void fill_ipv6(struct drop_packet *packet, const struct ipv6hdr *ip)
{
	__builtin_memcpy(packet->saddr, &ip->saddr, sizeof(packet->saddr));
	__builtin_memcpy(packet->daddr, &ip->daddr, sizeof(packet->daddr));
	packet->version = 6;
	packet->protocol = ip->nexthdr;
	packet->has = DROP_HAS_ADDRESSES;
}

/* Offset of what follows the extension headers; 0 when it is not in this packet. */
static __always_inline u32 skip_extensions(const struct packet_place *place, u32 offset,
					   struct drop_packet *packet)
{
	/* Next header, length in units of 8 bytes without the first; of a fragment: its offset. */
	struct {
		u8 next, length;
		__be16 fragment;
	} extension;

#pragma unroll
	for (int i = 0; i < IPV6_EXTENSIONS; i++) {
		u8 kind = packet->protocol;

		if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING &&
		    kind != IPPROTO_FRAGMENT && kind != IPPROTO_DSTOPTS)
			return offset;
		if (offset + 8 > place->end ||
		    bpf_probe_read_kernel(&extension, sizeof(extension), place->head + offset))
			return 0;
		packet->protocol = extension.next;
		if (kind != IPPROTO_FRAGMENT)
			offset += (extension.length + 1) * 8;
		else if (extension.fragment & bpf_htons(0xfff8))
			return 0;
		else
			offset += 8;
	}
	return 0;
}

static __always_inline void fill_tcp(struct drop_packet *packet, const struct packet_place *place,
				     u32 offset)
{
	struct tcp_start tcp;

	if (offset + sizeof(tcp) > place->end ||
	    bpf_probe_read_kernel(&tcp, sizeof(tcp), place->head + offset))
		return;
	packet->seq = bpf_ntohl(tcp.seq);
	packet->ack_seq = bpf_ntohl(tcp.ack_seq);
	packet->tcp_flags = tcp.flags;
	packet->has |= DROP_HAS_TCP;
}

static __always_inline void fill_transport(struct drop_packet *packet,
					   const struct packet_place *place, u32 offset)
{
	__be16 ports[2];

	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return;
	if (!offset || offset + sizeof(ports) > place->end ||
	    bpf_probe_read_kernel(ports, sizeof(ports), place->head + offset))
		return;
	packet->sport = bpf_ntohs(ports[0]);
	packet->dport = bpf_ntohs(ports[1]);
	packet->has |= DROP_HAS_PORTS;
	if (packet->protocol == IPPROTO_TCP)
		fill_tcp(packet, place, offset);
}

/* Everything about the packet; `packet` is zeroed. */
static __noinline int packet_fill(const struct packet_place *place, const union ip_start *ip,
				  struct drop_packet *packet)
{
	u32 offset = place->network;

	if (ip->v4.version == 4) {
		fill_ipv4(packet, &ip->v4);
		/* Only the first fragment has the transport header. */
		if (!(ip->v4.frag_off & bpf_htons(0x1fff)))
			fill_transport(packet, place, offset + ip->v4.ihl * 4);
	} else if (ip->v4.version == 6 && offset + sizeof(ip->v6) <= place->end) {
		fill_ipv6(packet, &ip->v6);
		fill_transport(packet, place,
			       skip_extensions(place, offset + sizeof(ip->v6), packet));
	}
	return 0;
}

/* Whether it is TCP from or to one of two ports (0: none); a packet with IP options or extension
 * headers is not looked into. */
static __always_inline bool packet_is_tcp_of(const struct packet_place *place,
					     const union ip_start *ip, u16 one, u16 other)
{
	__be16 a = bpf_htons(one), b = bpf_htons(other);
	__be16 sport, dport;

	if (ip->v4.version == 4) {
		if (ip->v4.protocol != IPPROTO_TCP || ip->v4.ihl != 5 ||
		    place->network + 24 > place->end)
			return false;
		sport = ip->v4_ports[0];
		dport = ip->v4_ports[1];
	} else {
		if (ip->v6.nexthdr != IPPROTO_TCP || place->network + 44 > place->end)
			return false;
		sport = ip->v6_ports[0];
		dport = ip->v6_ports[1];
	}
	return (a && (sport == a || dport == a)) || (b && (sport == b || dport == b));
}

/* What a TCP segment is called; false for one that is never sent again, a bare ACK. Behind IPv6
 * extension headers nothing is found. `flow` and `run` are zeroed. */
/* 0 when it is no TCP packet. `flags`: room for them, which the caller has anyway. */
static __always_inline u8 packet_tcp_flags(const struct packet_place *place,
					   const union ip_start *ip, u8 *flags)
{
	u32 at = place->network + offsetof(struct tcp_start, flags);

	if (ip->v4.version == 4) {
		if (ip->v4.protocol != IPPROTO_TCP || ip->v4.frag_off & bpf_htons(0x1fff))
			return 0;
		at += ip->v4.ihl * 4;
	} else {
		if (ip->v6.nexthdr != IPPROTO_TCP)
			return 0;
		at += sizeof(ip->v6);
	}
	if (at >= place->end || bpf_probe_read_kernel(flags, sizeof(*flags), place->head + at))
		return 0;
	return *flags;
}

static __always_inline bool packet_segment_of(const struct packet_place *place,
					      const union ip_start *ip, struct packet_flow *flow,
					      struct packet_run *run)
{
	struct tcp_start tcp;
	u32 header, bytes;

	if (ip->v4.version == 4) {
		if (ip->v4.protocol != IPPROTO_TCP || ip->v4.frag_off & bpf_htons(0x1fff))
			return false;
		header = ip->v4.ihl * 4;
		bytes = bpf_ntohs(ip->v4.tot_len) - header;
		flow->saddr[2] = flow->daddr[2] = bpf_htonl(0xffff);
		flow->saddr[3] = ip->v4.saddr;
		flow->daddr[3] = ip->v4.daddr;
	} else {
		if (ip->v6.nexthdr != IPPROTO_TCP || place->network + sizeof(ip->v6) > place->end)
			return false;
		header = sizeof(ip->v6);
		bytes = bpf_ntohs(ip->v6.payload_len);
		__builtin_memcpy(flow->saddr, &ip->v6.saddr, sizeof(flow->saddr));
		__builtin_memcpy(flow->daddr, &ip->v6.daddr, sizeof(flow->daddr));
	}
	header += place->network;
	if (header + sizeof(tcp) > place->end ||
	    bpf_probe_read_kernel(&tcp, sizeof(tcp), place->head + header))
		return false;
	flow->sport = bpf_ntohs(tcp.sport);
	flow->dport = bpf_ntohs(tcp.dport);
	run->seq = bpf_ntohl(tcp.seq);
	bytes -= (tcp.offset >> 4) * 4;
	/* What the headers of a packet beyond 64 KiB say is no length. */
	if (bytes > 0xffff)
		bytes = 1;
	run->length = bytes + !!(tcp.flags & TCP_FLAG_SYN) + !!(tcp.flags & TCP_FLAG_FIN);
	return run->length > 0;
}

#endif
