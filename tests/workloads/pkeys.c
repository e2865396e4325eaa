// SPDX-License-Identifier: GPL-2.0-only
/* Memory with a protection key (pkeys), which only a register of the thread opens. */
#include <sys/mman.h>

#include "workload.h"

static struct area area = { .name = "pkeys", .seed = 204, .len = MIB };
static int key;

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	key = pkey_alloc(0, 0);
	if (key < 0)
		die("pkey_alloc");
	area_map(&area, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&area);
	if (pkey_mprotect(area.mem, area.len, PROT_READ | PROT_WRITE, key) < 0 ||
	    pkey_set(key, PKEY_DISABLE_ACCESS) < 0)
		die("pkey_mprotect");
}

static void verify(void)
{
	if (!read_faults(area.mem))
		wrong("memory that the key closes can be read");
	pkey_set(key, 0);
	area_check(&area);
	pkey_set(key, PKEY_DISABLE_ACCESS);
}

const struct workload workload = { "pkeys", prepare, verify };
