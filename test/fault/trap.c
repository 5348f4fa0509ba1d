// SPDX-License-Identifier: GPL-2.0
/* A switch that drops packets in its hardware and hands copies of them to the kernel. */
#include "fault.h"
#include <linux/errno.h>
#include <linux/etherdevice.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <linux/version.h>
#include <net/devlink.h>

static struct devlink *device;
static struct devlink_port port;
static struct net_device *input;
static void *context; /* of the trap, for devlink_trap_report */

static const struct devlink_trap_group groups[] = {
	DEVLINK_TRAP_GROUP_GENERIC(L3_DROPS, 0),
};

static const struct devlink_trap traps[] = {
	DEVLINK_TRAP_GENERIC(DROP, TRAP, BLACKHOLE_ROUTE, DEVLINK_TRAP_GROUP_GENERIC_ID_L3_DROPS,
			     0),
};

static int watch_trap(struct devlink *devlink, const struct devlink_trap *trap, void *trap_ctx)
{
	context = trap_ctx;
	return 0;
}

static int set_action(struct devlink *devlink, const struct devlink_trap *trap,
		      enum devlink_trap_action action, struct netlink_ext_ack *extack)
{
	return 0;
}

static const struct devlink_ops operations = {
	.trap_init = watch_trap,
	.trap_action_set = set_action,
};

static int register_traps(void)
{
	int error = devlink_trap_groups_register(device, groups, ARRAY_SIZE(groups));

	if (error)
		return error;
	error = devlink_traps_register(device, traps, ARRAY_SIZE(traps), NULL);
	if (error)
		devlink_trap_groups_unregister(device, groups, ARRAY_SIZE(groups));
	return error;
}

static void unregister_traps(void)
{
	devlink_traps_unregister(device, traps, ARRAY_SIZE(traps));
	devlink_trap_groups_unregister(device, groups, ARRAY_SIZE(groups));
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 15, 0)
/* The device comes first, what it has after it. */
static int register_device(struct device *parent)
{
	int error;

	device = devlink_alloc(&operations, 0);
	if (!device)
		return -ENOMEM;
	error = devlink_register(device, parent);
	if (error)
		goto free;
	error = register_traps();
	if (!error)
		return 0;
	devlink_unregister(device);
free:
	devlink_free(device);
	return error;
}

void huatuo_fault_trap_exit(void)
{
	unregister_traps();
	devlink_unregister(device);
	devlink_free(device);
}
#else
static int register_device(struct device *parent)
{
	int error;

	device = devlink_alloc(&operations, 0, parent);
	if (!device)
		return -ENOMEM;
	error = register_traps();
	if (error) {
		devlink_free(device);
		return error;
	}
	devlink_register(device);
	return 0;
}

void huatuo_fault_trap_exit(void)
{
	devlink_unregister(device);
	unregister_traps();
	devlink_free(device);
}
#endif

int huatuo_fault_trap_init(struct device *parent, struct net_device *netdev)
{
	spin_lock_init(&port.type_lock);
	input = netdev;
	return register_device(parent);
}

/* From 192.0.2.1 port 4660 to 198.51.100.1, as drivers hand a packet over: it begins with the
 * Ethernet header, and nobody has said where the next one is. */
static struct sk_buff *packet(unsigned int to)
{
	struct sk_buff *skb =
		alloc_skb(ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr), GFP_KERNEL);
	struct ethhdr *eth;
	struct udphdr *udp;
	struct iphdr *ip;

	if (!skb)
		return NULL;
	skb->dev = input;
	skb->protocol = htons(ETH_P_IP);
	eth = skb_put_zero(skb, sizeof(*eth));
	eth->h_proto = htons(ETH_P_IP);
	ip = skb_put_zero(skb, sizeof(*ip));
	*ip = (struct iphdr){.version = 4, .ihl = 5, .protocol = IPPROTO_UDP, .ttl = 64};
	ip->tot_len = htons(sizeof(*ip) + sizeof(*udp));
	ip->saddr = in_aton("192.0.2.1");
	ip->daddr = in_aton("198.51.100.1");
	udp = skb_put_zero(skb, sizeof(*udp));
	udp->source = htons(4660);
	udp->dest = htons(to);
	udp->len = htons(sizeof(*udp));
	return skb;
}

int huatuo_fault_trap(unsigned int to, unsigned int count)
{
	struct sk_buff *skb;

	if (to > U16_MAX)
		return -ERANGE;
	while (count--) {
		skb = packet(to);
		if (!skb)
			return -ENOMEM;
		devlink_trap_report(device, skb, context, &port, NULL);
		consume_skb(skb);
	}
	return 0;
}
