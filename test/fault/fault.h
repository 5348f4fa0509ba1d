/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_TEST_FAULT_H
#define HUATUO_TEST_FAULT_H

struct device;
struct net_device;

/* Each is an order of control.c, with its two numbers; returns 0 or a negative error. */
int huatuo_fault_hold_bh(unsigned int cpu, unsigned int ms);
int huatuo_fault_run_softirq(unsigned int cpu, unsigned int ms);
int huatuo_fault_hold_irq(unsigned int cpu, unsigned int ms);
int huatuo_fault_hold_cpu(unsigned int cpu, unsigned int ms);
int huatuo_fault_sleep(unsigned int cpu, unsigned int ms);
int huatuo_fault_stall(unsigned int queue, unsigned int timeouts);
int huatuo_fault_memory(unsigned int type, unsigned int count);
int huatuo_fault_section(unsigned int severity, unsigned int length);
int huatuo_fault_trap(unsigned int port, unsigned int count);

void huatuo_fault_hold_exit(void);

/* `parent` is the device of a driver, and outlives what these make. */
struct net_device *huatuo_fault_netdev(struct device *parent);
int huatuo_fault_memory_init(struct device *parent);
void huatuo_fault_memory_exit(struct device *parent);
int huatuo_fault_trap_init(struct device *parent, struct net_device *netdev);
void huatuo_fault_trap_exit(void);

#endif
