// SPDX-License-Identifier: GPL-2.0-only
/* Shared anonymous memory of a parent and a child, with holes. Arguments: MB. */
#include <stdlib.h>
#include <sys/mman.h>

#include "workload.h"

static struct area whole = { .name = "shared", .seed = 121 };
static struct area sparse = { .name = "sparse", .seed = 122, .stride = 8 };
/* Of the child, in which the parent sees it. */
static struct area childs = { .name = "child's", .seed = 123, .len = MIB };
/* That they still share: what the child writes when it verifies. */
static volatile uint64_t *counter;
static uint64_t seen;

static void child_prepare(void *arg)
{
	(void)arg;
	area_fill(&childs);
}

static void check_areas(void)
{
	area_check(&whole);
	area_check(&childs);
}

static void child_verify(void *arg)
{
	(void)arg;
	check_areas();
	++*counter;
}

static void prepare(int argc, char **argv)
{
	whole.len = sparse.len = (argc > 0 ? strtoul(argv[0], NULL, 10) : 8) * MIB;
	area_map(&whole, MAP_SHARED | MAP_ANONYMOUS);
	area_map(&sparse, MAP_SHARED | MAP_ANONYMOUS);
	area_map(&childs, MAP_SHARED | MAP_ANONYMOUS);
	counter = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counter == MAP_FAILED)
		die("mmap");
	area_fill(&whole);
	area_fill(&sparse);
	child_start(child_prepare, child_verify, NULL);
	seen = *counter;
}

static void verify(void)
{
	check_areas();
	/* A page that is read becomes one: of this area the filled pages only. */
	for (size_t page = 0; page < sparse.len / PAGE; page += sparse.stride)
		page_check(&sparse, page);
	if (*counter != seen)
		wrong("the counter is %lu and not %lu", *counter, seen);
	++*counter;
	seen += 2;
}

const struct workload workload = { "sharedanon", prepare, verify };
