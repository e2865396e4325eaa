// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that was only read (the kernel's zero page, small and huge), memory
 * of zeroes that were written, and holes: none may become more than it is.
 */
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

static struct area read_only = { .name = "read", .len = 32 * MIB };
static struct area read_huge = { .name = "read huge", .len = 32 * MIB };
static struct area written = { .name = "written", .len = MIB };
static struct area holes = { .name = "holes", .len = 32 * MIB };
static struct area filled = { .name = "filled", .seed = 81, .len = MIB };

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	area_map(&read_only, MAP_PRIVATE | MAP_ANONYMOUS);
	area_map(&read_huge, MAP_PRIVATE | MAP_ANONYMOUS);
	area_map(&written, MAP_PRIVATE | MAP_ANONYMOUS);
	area_map(&holes, MAP_PRIVATE | MAP_ANONYMOUS);
	area_map(&filled, MAP_PRIVATE | MAP_ANONYMOUS);
	madvise(read_huge.mem, read_huge.len, MADV_HUGEPAGE);
	zero_check("read", read_only.mem, read_only.len);
	zero_check("read huge", read_huge.mem, read_huge.len);
	memset(written.mem, 0, written.len);
	area_fill(&filled);
}

static void verify(void)
{
	size_t present = pages_with(holes.mem, holes.len, PM_PRESENT);

	if (present)
		wrong("%zu pages are where there was nothing", present);
	area_check(&filled);
	zero_check("read", read_only.mem, read_only.len);
	zero_check("read huge", read_huge.mem, read_huge.len);
	zero_check("written", written.mem, written.len);
	zero_check("holes", holes.mem, holes.len);
	if (madvise(holes.mem, holes.len, MADV_DONTNEED) < 0)
		die("MADV_DONTNEED");
}

const struct workload workload = { "zeros", prepare, verify };
