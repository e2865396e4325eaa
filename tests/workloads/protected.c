// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory with content that is read-only, executable, or not accessible at all; and shared code
 * below all other, where criu looks for a place first.
 */
#include <sys/mman.h>

#include "workload.h"

#define SHARED_CODE	((unsigned char *)(256 * MIB))

static struct {
	struct area area;
	int prot, flags;
} areas[] = {
	{ { .name = "readonly", .seed = 11, .len = 4 * MIB }, PROT_READ, 0 },
	{ { .name = "none", .seed = 12, .len = 4 * MIB }, PROT_NONE, 0 },
	{ { .name = "code", .seed = 13, .len = MIB }, PROT_READ | PROT_EXEC, 0 },
	{ { .name = "all", .seed = 14, .len = MIB }, PROT_READ | PROT_WRITE | PROT_EXEC, 0 },
	{ { .name = "sparse", .seed = 15, .len = 8 * MIB, .stride = 16 }, PROT_READ, 0 },
	{ { .name = "shared code", .seed = 16, .len = MIB, .mem = SHARED_CODE },
	  PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE },
};

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < NR(areas); i++) {
		area_map(&areas[i].area, MAP_ANONYMOUS | (areas[i].flags ?: MAP_PRIVATE));
		area_fill(&areas[i].area);
		if (mprotect(areas[i].area.mem, areas[i].area.len, areas[i].prot) < 0)
			die("mprotect");
	}
}

static void verify(void)
{
	if (!read_faults(areas[1].area.mem))
		wrong("memory that is not accessible can be read");
	for (size_t i = 0; i < NR(areas); i++)
		area_check_protected(&areas[i].area, areas[i].prot);
}

const struct workload workload = { "protected", prepare, verify };
