/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_TEST_BPF_KERNEL_STACK_H
#define HUATUO_TEST_BPF_KERNEL_STACK_H

#include "bpf/event.h"

/* Of one CPU: stacks that were known, beside what the unwinder says at the same moment. */
struct stack_comparison {
  __u64 stacks;
  __u64 from_memory;
  __u64 different;
  __u64 busy;
  struct event_stack known;
  struct event_stack found;
  struct event_stack known_example; /* of the first that were different */
  struct event_stack found_example;
};

#endif
