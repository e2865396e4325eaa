// SPDX-License-Identifier: GPL-2.0-only
/* Private anonymous memory of 4 KiB pages, one mapping. Arguments: MB. */
#include <stdlib.h>
#include <sys/mman.h>

#include "workload.h"

static struct area area = { .name = "anon", .seed = 1 };

static void prepare(int argc, char **argv)
{
	area.len = (argc > 0 ? strtoul(argv[0], NULL, 10) : 16) * MIB;
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&area);
}

static void verify(void)
{
	fact("present", pages_with(area.mem, area.len, PM_PRESENT));
	area_check(&area);
}

const struct workload workload = { "anon", prepare, verify };
