// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor under every cost per page: read one word of each struct page of a
 * range. Loading prints the time and fails, so that there is nothing to unload.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>

static unsigned long pfn;
module_param(pfn, ulong, 0);
static unsigned long nr;
module_param(nr, ulong, 0);

static int __init floor_init(void)
{
	unsigned long i, sum = 0;
	u64 start = ktime_get_ns();

	for (i = 0; i < nr; i++)
		sum += page_count(pfn_to_page(pfn + i));
	pr_info("floor: %lu pages, %lu references, %llu ns\n", nr, sum, ktime_get_ns() - start);
	return -ECANCELED;
}

module_init(floor_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a bare walk over struct pages");
