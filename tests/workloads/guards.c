// SPDX-License-Identifier: GPL-2.0-only
/* Many small pieces of memory between guard pages that nobody may touch. */
#include <sys/mman.h>

#include "workload.h"

static struct area area = { .name = "guards", .seed = 61, .len = 4 * MIB };

/* Of every four pages the last is a guard. */
static bool is_guard(size_t page)
{
	return page % 4 == 3;
}

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	for (size_t page = 0; page < area.len / PAGE; page++) {
		if (!is_guard(page))
			page_fill(&area, page);
		else if (mprotect(area.mem + page * PAGE, PAGE, PROT_NONE) < 0)
			die("mprotect");
	}
}

static void verify(void)
{
	for (size_t page = 0; page < area.len / PAGE; page++) {
		if (!is_guard(page))
			page_check(&area, page);
		else if (!read_faults(area.mem + page * PAGE))
			wrong("the guard at page %zu can be read", page);
	}
}

const struct workload workload = { "guards", prepare, verify };
