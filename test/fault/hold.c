// SPDX-License-Identifier: GPL-2.0
/* What the writing task does on a CPU that it moves to, for so many milliseconds. */
#include "fault.h"
#include <linux/bottom_half.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/interrupt.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/sched.h>

#define MAX_MS 60000

static int move_to(unsigned int cpu, unsigned int ms)
{
	if (cpu >= nr_cpu_ids || !cpu_online(cpu) || ms > MAX_MS)
		return -ERANGE;
	return set_cpus_allowed_ptr(current, cpumask_of(cpu));
}

static void spin(unsigned int ms)
{
	u64 end = ktime_get_ns() + (u64)ms * NSEC_PER_MSEC;

	while (ktime_get_ns() < end)
		cpu_relax();
}

static unsigned int tasklet_ms;

static void pending(struct tasklet_struct *tasklet)
{
	spin(tasklet_ms);
}

static DECLARE_TASKLET(tasklet, pending);

/* The tasklet's softirq is raised at the begin, so that one is certainly held off. */
int huatuo_fault_hold_bh(unsigned int cpu, unsigned int ms)
{
	int error = move_to(cpu, ms);

	if (error)
		return error;
	tasklet_ms = 0;
	local_bh_disable();
	tasklet_schedule(&tasklet);
	spin(ms);
	local_bh_enable();
	return 0;
}

/* What is pending runs when softirqs are enabled again. */
int huatuo_fault_run_softirq(unsigned int cpu, unsigned int ms)
{
	int error = move_to(cpu, ms);

	if (error)
		return error;
	tasklet_ms = ms;
	local_bh_disable();
	tasklet_schedule(&tasklet);
	local_bh_enable();
	return 0;
}

int huatuo_fault_hold_irq(unsigned int cpu, unsigned int ms)
{
	int error = move_to(cpu, ms);
	unsigned long flags;

	if (error)
		return error;
	local_irq_save(flags);
	spin(ms);
	local_irq_restore(flags);
	return 0;
}

int huatuo_fault_hold_cpu(unsigned int cpu, unsigned int ms)
{
	int error = move_to(cpu, ms);

	if (error)
		return error;
	preempt_disable();
	spin(ms);
	preempt_enable();
	return 0;
}

int huatuo_fault_sleep(unsigned int cpu, unsigned int ms)
{
	int error = move_to(cpu, ms);

	if (error)
		return error;
	schedule_timeout_uninterruptible(msecs_to_jiffies(ms));
	return 0;
}

void huatuo_fault_hold_exit(void)
{
	tasklet_kill(&tasklet);
}
