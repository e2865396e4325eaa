// SPDX-License-Identifier: GPL-2.0-only
/* Pages of 2 MiB from the pool that the administrator set aside (vm.nr_hugepages). */
#include <sys/mman.h>

#include "workload.h"

static struct area private = { .name = "private", .seed = 161, .len = 8 * MIB };
static struct area shared = { .name = "shared", .seed = 162, .len = 8 * MIB };

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	area_map(&private, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
	area_map(&shared, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB);
	area_fill(&private);
	area_fill(&shared);
}

static void verify(void)
{
	if (!has_vmflag(private.mem, "ht") || !has_vmflag(shared.mem, "ht"))
		wrong("the memory is no longer of huge pages");
	area_check(&private);
	area_check(&shared);
}

const struct workload workload = { "hugetlb", prepare, verify };
