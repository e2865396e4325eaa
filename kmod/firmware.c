// SPDX-License-Identifier: GPL-2.0-only
/* Reading what the firmware has left in memory. */
#include "nvwa.h"

#include <linux/uaccess.h>

#define FIRMWARE_MAX	(1UL << 20)

int firmware_read(const struct nvwa_firmware *arg)
{
	u64 start = arg->phys & PAGE_MASK, end = PAGE_ALIGN(arg->phys + arg->len), at;
	void *map;
	int err;

	if (arg->flags || !arg->len || arg->len > FIRMWARE_MAX)
		return -EINVAL;
	if (arg->phys >= NVWA_PHYS_LIMIT || end > NVWA_PHYS_LIMIT)
		return -ENXIO;
	for (at = start; at < end; at += PAGE_SIZE) {
		if (page_is_ram(PHYS_PFN(at)))
			return -EPERM;
	}
	map = memremap(start, end - start, MEMREMAP_WB);
	if (!map)
		return -ENXIO;
	err = copy_to_user(u64_to_user_ptr(arg->data), map + offset_in_page(arg->phys), arg->len);
	memunmap(map);
	return err ? -EFAULT : 0;
}
