// SPDX-License-Identifier: GPL-2.0
/* A memory controller of EDAC with two DIMMs, and sections of firmware reports that no standard
 * describes. */
#include "fault.h"
#include <linux/edac.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <ras/ras_event.h>

/* Of drivers/edac/edac_mc.h, which the kernel's headers leave out. */
struct mem_ctl_info *edac_mc_alloc(unsigned int number, unsigned int layer_count,
				   struct edac_mc_layer *layers, unsigned int private_size);
int edac_mc_add_mc_with_groups(struct mem_ctl_info *controller,
			       const struct attribute_group **groups);
struct mem_ctl_info *edac_mc_del_mc(struct device *device);
void edac_mc_free(struct mem_ctl_info *controller);
void edac_mc_handle_error(const enum hw_event_mc_err_type type, struct mem_ctl_info *controller,
			  const u16 count, const unsigned long page, const unsigned long offset,
			  const unsigned long syndrome, const int top, const int middle,
			  const int low, const char *message, const char *detail);

#define CONTROLLER 7

static struct mem_ctl_info *controller;

static void describe(struct device *parent)
{
	struct dimm_info *dimm;

	controller->pdev = parent;
	controller->mtype_cap = MEM_FLAG_DDR4;
	controller->edac_ctl_cap = EDAC_FLAG_SECDED;
	controller->edac_cap = EDAC_FLAG_SECDED;
	controller->mod_name = "huatuo_fault";
	controller->ctl_name = "huatuo_fault";
	controller->dev_name = "huatuo_fault";
	mci_for_each_dimm(controller, dimm)
	{
		dimm->nr_pages = 1024;
		dimm->grain = 64;
		dimm->mtype = MEM_DDR4;
		dimm->dtype = DEV_X8;
		dimm->edac_mode = EDAC_SECDED;
		snprintf(dimm->label, sizeof(dimm->label), "DIMM_%c1", 'A' + dimm->idx);
	}
}

int huatuo_fault_memory_init(struct device *parent)
{
	struct edac_mc_layer layers[] = {
		{.type = EDAC_MC_LAYER_CHANNEL, .size = 1},
		{.type = EDAC_MC_LAYER_SLOT, .size = 2, .is_virt_csrow = true},
	};
	int error;

	controller = edac_mc_alloc(CONTROLLER, ARRAY_SIZE(layers), layers, 0);
	if (!controller)
		return -ENOMEM;
	describe(parent);
	error = edac_mc_add_mc_with_groups(controller, NULL);
	if (error)
		edac_mc_free(controller);
	return error;
}

void huatuo_fault_memory_exit(struct device *parent)
{
	edac_mc_free(edac_mc_del_mc(parent));
}

/* As the driver of a controller tells of `count` errors of a kind (enum hw_event_mc_err_type) in
 * the second DIMM. */
int huatuo_fault_memory(unsigned int type, unsigned int count)
{
	if (type > HW_EVENT_ERR_FATAL || count == 0 || count > U16_MAX)
		return -ERANGE;
	edac_mc_handle_error(type, controller, count, 0x12345, 0x678, 0xabc, 0, 1, -1,
			     "memory read error", "rank:1 bank:2");
	return 0;
}

/* As the ACPI driver does for a section whose type it does not know. */
int huatuo_fault_section(unsigned int severity, unsigned int length)
{
	static const guid_t type = GUID_INIT(0x01020304, 0x0506, 0x0708, 0x09, 0x0a, 0x0b, 0x0c,
					     0x0d, 0x0e, 0x0f, 0x10);
	static const guid_t unit = GUID_INIT(0x11121314, 0x1516, 0x1718, 0x19, 0x1a, 0x1b, 0x1c,
					     0x1d, 0x1e, 0x1f, 0x20);
	u8 section[256];
	unsigned int i;

	if (severity > 3 || length > sizeof(section))
		return -ERANGE;
	for (i = 0; i < length; i++)
		section[i] = i;
	trace_non_standard_event(&type, &unit, "huatuo_fault", severity, section, length);
	return 0;
}
