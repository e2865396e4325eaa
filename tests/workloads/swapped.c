// SPDX-License-Identifier: GPL-2.0-only
/* Private anonymous memory that is swapped out, but for every fourth page. */
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "workload.h"

static struct area area = { .name = "swapped", .seed = 71, .len = 16 * MIB };

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&area);
	/* Asked again until the kernel has taken most: it skips pages that are in use elsewhere. */
	for (int i = 0; i < 1000; i++) {
		if (madvise(area.mem, area.len, MADV_PAGEOUT) < 0)
			die("MADV_PAGEOUT");
		if (pages_with(area.mem, area.len, PM_SWAPPED) > area.len / PAGE / 2)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	if (!pages_with(area.mem, area.len, PM_SWAPPED))
		die("nothing is swapped out");
	for (size_t page = 0; page < area.len / PAGE; page += 4)
		page_check(&area, page);
	fact("swapped", pages_with(area.mem, area.len, PM_SWAPPED));
}

static void verify(void)
{
	fact("swapped", pages_with(area.mem, area.len, PM_SWAPPED));
	area_check(&area);
}

const struct workload workload = { "swapped", prepare, verify };
