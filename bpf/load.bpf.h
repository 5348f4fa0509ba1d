/* SPDX-License-Identifier: GPL-2.0 */
/* A field of a kernel object, for programs of tp_btf and fentry and their twins of kprobes. */
#ifndef HUATUO_BPF_LOAD_BPF_H
#define HUATUO_BPF_LOAD_BPF_H

#include <bpf/bpf_core_read.h>

/* `typed`: the pointer's type is known to the verifier (tp_btf), so it can be followed without a
 * helper call. Always a constant, so that one of the two vanishes. */
#define LOAD(typed, pointer, field) ((typed) ? (pointer)->field : BPF_CORE_READ(pointer, field))

#endif
