// SPDX-License-Identifier: GPL-2.0-only
/*
 * A prefork server: memory that parent and children share copy on write, in
 * which each child, and then the parent, has written some pages of its own.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "workload.h"

#define STEP	16

/* Arguments: MB, and how many children. */
static struct area area = { .name = "prefork", .seed = 101 };

/* Process i writes the pages i, i + STEP, and so on; nobody those from nr to STEP - 1. */
static void own_pages(size_t i, struct area *own)
{
	*own = area;
	own->seed = area.seed + 1 + i;
	for (size_t page = i; page < area.len / PAGE; page += STEP)
		page_fill(own, page);
}

static void check_pages(size_t i)
{
	struct area own = area;

	own.seed = area.seed + 1 + i;
	for (size_t page = 0; page < area.len / PAGE; page++)
		page_check(page % STEP == i ? &own : &area, page);
}

static void child_prepare(void *arg)
{
	struct area own;

	own_pages((uintptr_t)arg, &own);
}

static void child_verify(void *arg)
{
	check_pages((uintptr_t)arg);
}

static void prepare(int argc, char **argv)
{
	size_t nr = argc > 1 ? strtoul(argv[1], NULL, 10) : 4;
	struct area own;

	area.len = (argc > 0 ? strtoul(argv[0], NULL, 10) : 8) * MIB;
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&area);
	for (size_t i = 1; i <= nr; i++)
		child_start(child_prepare, child_verify, (void *)i);
	own_pages(0, &own);
	fact("exclusive", pages_with(area.mem, area.len, PM_PRESENT | PM_EXCLUSIVE));
}

static void verify(void)
{
	fact("exclusive", pages_with(area.mem, area.len, PM_PRESENT | PM_EXCLUSIVE));
	check_pages(0);
}

const struct workload workload = { "prefork", prepare, verify };
