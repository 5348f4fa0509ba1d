/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUATUO_BPF_RAS_H
#define HUATUO_BPF_RAS_H

#include "event.h"

enum ras_source {
	RAS_MCE,	    /* mce:mce_record */
	RAS_EDAC,	    /* ras:mc_event */
	RAS_AER,	    /* ras:aer_event */
	RAS_NON_STANDARD,   /* ras:non_standard_event */
	RAS_ARM,	    /* ras:arm_event */
	RAS_MEMORY_FAILURE, /* memory_failure_event */
	RAS_EXTLOG,	    /* ras:extlog_mem_event */
	RAS_MCE_THRESHOLD,  /* irq_vectors:threshold_apic_entry */
	RAS_SOURCES,
};

/* What ras_event.number holds, by source. */
enum ras_mce_number {
	MCE_STATUS,
	MCE_ADDRESS,
	MCE_MISC,
	MCE_MCG_STATUS,
	MCE_MCG_CAP,
	MCE_SYND,
	MCE_IPID,
	MCE_PPIN,
	MCE_TIME, /* seconds since 1970; 0: not known */
	MCE_BANK,
	MCE_CPU,
	MCE_SOCKET,
	MCE_APIC,
	MCE_CPUID,
	MCE_VENDOR,
	MCE_MICROCODE,
};

/* text: message, label of the DIMM, what the driver adds */
enum ras_edac_number {
	EDAC_TYPE, /* enum hw_event_mc_err_type */
	EDAC_COUNT,
	EDAC_CONTROLLER,
	EDAC_LAYERS, /* three signed bytes, the top layer lowest; -1: not known */
	EDAC_ADDRESS,
	EDAC_GRAIN_BITS,
	EDAC_SYNDROME,
};

/* text: the device */
enum ras_aer_number {
	AER_STATUS,
	AER_SEVERITY, /* 0 non-fatal, 1 fatal, 2 corrected */
	AER_HAS_HEADER,
	AER_HEADER, /* and the next: four words of 32 bits, the first lowest */
};

/* text: FRU; raw: the section */
enum ras_non_standard_number {
	NON_STANDARD_SEVERITY, /* of GHES: 0 informational, 1 corrected, 2 recoverable, 3 fatal */
	NON_STANDARD_TYPE,     /* and the next: a GUID as in memory */
	NON_STANDARD_FRU = NON_STANDARD_TYPE + 2,
};

enum ras_arm_number {
	ARM_VALID, /* bits: 0 mpidr, 1 affinity, 2 running state */
	ARM_MPIDR,
	ARM_MIDR,
	ARM_RUNNING,
	ARM_PSCI,
	ARM_AFFINITY,
};

enum ras_memory_failure_number {
	MEMORY_FAILURE_PFN,
	MEMORY_FAILURE_PAGE_TYPE,
	MEMORY_FAILURE_RESULT, /* 0 ignored, 1 failed, 2 delayed, 3 recovered */
};

/* text: FRU; raw: struct cper_sec_mem_err */
enum ras_extlog_number {
	EXTLOG_SEVERITY, /* of CPER: 0 recoverable, 1 fatal, 2 corrected, 3 informational */
	EXTLOG_SEQUENCE,
	EXTLOG_FRU, /* and the next: a GUID */
};

enum ras_threshold_number {
	THRESHOLD_VECTOR,
};

#define RAS_NUMBERS  16
#define RAS_TEXTS    3
#define RAS_TEXT_LEN 96
#define RAS_RAW_LEN  128

/* One report of the hardware. header: whoever was running, which has nothing to do with it. */
struct ras_event {
	struct event_header header;
	__u64 number[RAS_NUMBERS];
	char text[RAS_TEXTS][RAS_TEXT_LEN]; /* cut when full */
	__u8 raw[RAS_RAW_LEN];
	__u32 raw_len; /* of what there was; more than RAS_RAW_LEN: the rest was cut */
	__u32 source;  /* enum ras_source */
};

#endif
