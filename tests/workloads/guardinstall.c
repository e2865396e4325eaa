// SPDX-License-Identifier: GPL-2.0-only
/* Guard pages of MADV_GUARD_INSTALL (Linux 6.13), which make no mappings of their own. */
#include <sys/mman.h>

#include "workload.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

static struct area area = { .name = "guardinstall", .seed = 62, .len = 4 * MIB };

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	for (size_t page = 0; page < area.len / PAGE; page++) {
		if (page % 4 != 3)
			page_fill(&area, page);
		else if (madvise(area.mem + page * PAGE, PAGE, MADV_GUARD_INSTALL) < 0)
			die("MADV_GUARD_INSTALL");
	}
}

static void verify(void)
{
	for (size_t page = 0; page < area.len / PAGE; page++) {
		if (page % 4 != 3)
			page_check(&area, page);
		else if (!read_faults(area.mem + page * PAGE))
			wrong("the guard at page %zu can be read", page);
	}
}

const struct workload workload = { "guardinstall", prepare, verify };
