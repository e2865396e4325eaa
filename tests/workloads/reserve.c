// SPDX-License-Identifier: GPL-2.0-only
/*
 * A large reservation of address space of which little is touched. Arguments:
 * GB, and every how many pages one is touched.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "workload.h"

static struct area area = { .name = "reserve", .seed = 2 };

static void prepare(int argc, char **argv)
{
	area.len = (argc > 0 ? strtoul(argv[0], NULL, 10) : 64) << 30;
	area.stride = argc > 1 ? strtoul(argv[1], NULL, 10) : 16384;
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	area_fill(&area);
}

/* Of the holes those before and behind each page; all of them would take as many page tables. */
static void verify(void)
{
	size_t nr = area.len / PAGE, present = pages_with(area.mem, area.len, PM_PRESENT);

	if (present != nr / area.stride)
		wrong("%zu pages are present and not %zu", present, nr / area.stride);
	for (size_t page = 0; page < nr; page += area.stride) {
		page_check(&area, page);
		zero_check("reserve", area.mem + (page + 1) * PAGE, PAGE);
		zero_check("reserve", area.mem + (page + area.stride - 1) * PAGE, PAGE);
	}
	/* The holes that were read must not count as touched the next time. */
	if (madvise(area.mem, area.len, MADV_NOHUGEPAGE) < 0)
		die("madvise");
	for (size_t page = 0; page < nr; page += area.stride) {
		madvise(area.mem + (page + 1) * PAGE, PAGE, MADV_DONTNEED);
		madvise(area.mem + (page + area.stride - 1) * PAGE, PAGE, MADV_DONTNEED);
	}
	fact("present", present);
}

const struct workload workload = { "reserve", prepare, verify };
