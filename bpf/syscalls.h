/* SPDX-License-Identifier: GPL-2.0 */
/* How long chosen system calls took, as latencies of the node and of each cgroup. */
#ifndef HUATUO_BPF_SYSCALLS_H
#define HUATUO_BPF_SYSCALLS_H

#include "subject.h"

/* More than any architecture has. */
#define SYSCALLS_NUMBERS 512

#endif
