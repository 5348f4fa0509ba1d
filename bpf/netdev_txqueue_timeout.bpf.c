// SPDX-License-Identifier: GPL-2.0
/* Transmit queues that the kernel's watchdog found stuck. */
#include "kernel.h"
#include "netdev_txqueue_timeout.h"
#include "cgroup.bpf.h"
#include "instance.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

static __always_inline struct cgroup_ref network_of(struct net_device *dev)
{
	struct cgroup_ref ref = {.hierarchy = EVENT_NETNS};

	ref.id = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	return ref;
}

static __always_inline u64 stalled_jiffies(struct net_device *dev, u32 index)
{
	void *queues = BPF_CORE_READ(dev, _tx);
	struct netdev_queue *queue = queues + index * bpf_core_type_size(struct netdev_queue);

	return bpf_jiffies64() - BPF_CORE_READ(queue, trans_start);
}

static __always_inline void fill_driver(struct netdev_txqueue_timeout_event *event,
					struct net_device *dev)
{
	const char *name = BPF_CORE_READ(dev, dev.parent, driver, name);

	__builtin_memset(event->driver_name, 0, sizeof(event->driver_name));
	if (name)
		bpf_probe_read_kernel_str(event->driver_name, sizeof(event->driver_name), name);
}

SEC("tp_btf/net_dev_xmit_timeout")
int BPF_PROG(txqueue_timeout, struct net_device *dev, int queue_index)
{
	struct cgroup_ref network = network_of(dev);
	struct emitter by = instance_emitter();
	struct netdev_txqueue_timeout_event *event;

	if (!instance_wants(&network, 0))
		return 0;
	event = event_reserve(&by, 0, sizeof(*event), (void *)bpf_get_current_task(), &network,
			      &network);
	if (!event)
		return 0;
	event->stalled_jiffies = stalled_jiffies(dev, queue_index);
	event->queue_index = queue_index;
	event->ifindex = BPF_CORE_READ(dev, ifindex);
	BPF_CORE_READ_INTO(&event->device_name, dev, name);
	fill_driver(event, dev);
	event_submit(event);
	return 0;
}
