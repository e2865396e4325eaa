// SPDX-License-Identifier: GPL-2.0-only
/* Private anonymous memory of huge pages. Arguments: MB. */
#include <stdlib.h>
#include <sys/mman.h>

#include "workload.h"

#define HUGE (2 * MIB)

static struct area area = { .name = "thp", .seed = 21 };

static void prepare(int argc, char **argv)
{
	unsigned char *mem;

	area.len = (argc > 0 ? strtoul(argv[0], NULL, 10) : 32) * MIB;
	/* One more, so that it can begin at a huge page. */
	mem = mmap(NULL, area.len + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	if (mem == MAP_FAILED)
		die("mmap");
	area.mem = (unsigned char *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
	if (madvise(area.mem, area.len, MADV_HUGEPAGE) < 0)
		die("MADV_HUGEPAGE");
	area_fill(&area);
}

/* How many huge pages there are is in the JSON: AnonHugePages. */
static void verify(void)
{
	if (!has_vmflag(area.mem, "hg"))
		wrong("the memory has lost MADV_HUGEPAGE");
	area_check(&area);
}

const struct workload workload = { "thp", prepare, verify };
