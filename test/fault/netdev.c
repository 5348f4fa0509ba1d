// SPDX-License-Identifier: GPL-2.0
/* A network device with two transmit queues, of which one can stall. What it is given is gone. */
#include "fault.h"
#include <linux/atomic.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>

#define QUEUES 2

static atomic_t left = ATOMIC_INIT(0); /* timeouts until the queue moves again */
static unsigned int stalling;

static netdev_tx_t start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	if (atomic_read(&left) > 0)
		netif_tx_stop_queue(netdev_get_tx_queue(dev, skb_get_queue_mapping(skb)));
	dev_consume_skb_any(skb);
	return NETDEV_TX_OK;
}

static u16 select_queue(struct net_device *dev, struct sk_buff *skb, struct net_device *upper)
{
	return stalling;
}

static void tx_timeout(struct net_device *dev, unsigned int queue)
{
	if (atomic_dec_and_test(&left))
		netif_tx_wake_queue(netdev_get_tx_queue(dev, queue));
}

static const struct net_device_ops operations = {
	.ndo_start_xmit = start_xmit,
	.ndo_select_queue = select_queue,
	.ndo_tx_timeout = tx_timeout,
};

static void setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &operations;
	dev->watchdog_timeo = HZ;
	dev->needs_free_netdev = true;
	eth_hw_addr_random(dev);
}

/* The next packet stalls the queue, until the kernel has found it stuck so many times. */
int huatuo_fault_stall(unsigned int queue, unsigned int timeouts)
{
	if (queue >= QUEUES || timeouts == 0)
		return -ERANGE;
	stalling = queue;
	atomic_set(&left, timeouts);
	return 0;
}

/* Registered, and down; unregister_netdev frees it. NULL when that failed. */
struct net_device *huatuo_fault_netdev(struct device *parent)
{
	struct net_device *dev;

	dev = alloc_netdev_mqs(0, "huatuofault%d", NET_NAME_ENUM, setup, QUEUES, 1);
	if (!dev)
		return NULL;
	SET_NETDEV_DEV(dev, parent);
	if (!register_netdev(dev))
		return dev;
	free_netdev(dev);
	return NULL;
}
