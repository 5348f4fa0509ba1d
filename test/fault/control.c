// SPDX-License-Identifier: GPL-2.0
/* Faults on purpose, for tests in a virtual machine: a line in /sys/kernel/debug/huatuo_fault is an
 * order, carried out by the task that writes before the write returns.
 *
 *   bh CPU MS             softirqs are held off on that CPU for MS milliseconds (at most a minute)
 *   soft CPU MS           a softirq of that CPU, TASKLET, runs for MS milliseconds
 *   irq CPU MS            hard interrupts are
 *   cpu CPU MS            the CPU does not schedule
 *   sleep CPU MS          the task sleeps uninterruptibly
 *   tx QUEUE TIMEOUTS     the next packet that the device huatuofault0 is given stalls that queue
 * of it, until the kernel's watchdog has found it so many times edac TYPE COUNT       so many
 * memory errors of that enum hw_event_mc_err_type section SEVERITY LEN  a hardware error that no
 * standard describes, with LEN bytes trap PORT COUNT       a switch drops so many UDP packets to
 * that port */
#include "fault.h"
#include <linux/debugfs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <linux/uaccess.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Faults on purpose, for tests");

static const struct {
	const char *name;
	int (*provoke)(unsigned int first, unsigned int second);
} orders[] = {
	{"bh", huatuo_fault_hold_bh},	    {"irq", huatuo_fault_hold_irq},
	{"cpu", huatuo_fault_hold_cpu},	    {"sleep", huatuo_fault_sleep},
	{"tx", huatuo_fault_stall},	    {"edac", huatuo_fault_memory},
	{"section", huatuo_fault_section},  {"trap", huatuo_fault_trap},
	{"soft", huatuo_fault_run_softirq},
};

static struct platform_driver driver = {.driver = {.name = "huatuo_fault"}};
static struct platform_device *device;
static struct net_device *netdev;
static struct dentry *file;

static int carry_out(const char *name, unsigned int first, unsigned int second)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		if (!strcmp(name, orders[i].name))
			return orders[i].provoke(first, second);
	}
	return -EINVAL;
}

static ssize_t order_write(struct file *opened, const char __user *text, size_t size,
			   loff_t *offset)
{
	char line[32] = {}, name[8];
	unsigned int first, second;
	int error;

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, text, size))
		return -EFAULT;
	if (sscanf(line, "%7s %u %u", name, &first, &second) != 3)
		return -EINVAL;
	error = carry_out(name, first, second);
	return error ? error : size;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.write = order_write,
};

static int make_devices(void)
{
	int error = -ENOMEM;

	netdev = huatuo_fault_netdev(&device->dev);
	if (!netdev)
		return error;
	error = huatuo_fault_memory_init(&device->dev);
	if (error)
		goto no_memory;
	error = huatuo_fault_trap_init(&device->dev, netdev);
	if (!error)
		return 0;
	huatuo_fault_memory_exit(&device->dev);
no_memory:
	unregister_netdev(netdev);
	return error;
}

static int __init fault_init(void)
{
	int error = platform_driver_register(&driver);

	if (error)
		return error;
	device = platform_device_register_simple("huatuo_fault", PLATFORM_DEVID_NONE, NULL, 0);
	error = PTR_ERR_OR_ZERO(device);
	if (error)
		goto no_device;
	error = make_devices();
	if (error)
		goto no_devices;
	file = debugfs_create_file("huatuo_fault", 0200, NULL, NULL, &operations);
	return 0;
no_devices:
	platform_device_unregister(device);
no_device:
	platform_driver_unregister(&driver);
	return error;
}

static void __exit fault_exit(void)
{
	debugfs_remove(file);
	huatuo_fault_hold_exit();
	huatuo_fault_trap_exit();
	huatuo_fault_memory_exit(&device->dev);
	unregister_netdev(netdev);
	platform_device_unregister(device);
	platform_driver_unregister(&driver);
}

module_init(fault_init);
module_exit(fault_exit);
