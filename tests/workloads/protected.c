// SPDX-License-Identifier: GPL-2.0-only
/* Private memory with content that is read-only, executable, or not accessible at all. */
#include <sys/mman.h>

#include "workload.h"

static struct {
	struct area area;
	int prot;
} areas[] = {
	{ { .name = "readonly", .seed = 11, .len = 4 * MIB }, PROT_READ },
	{ { .name = "none", .seed = 12, .len = 4 * MIB }, PROT_NONE },
	{ { .name = "code", .seed = 13, .len = MIB }, PROT_READ | PROT_EXEC },
	{ { .name = "all", .seed = 14, .len = MIB }, PROT_READ | PROT_WRITE | PROT_EXEC },
	{ { .name = "sparse", .seed = 15, .len = 8 * MIB, .stride = 16 }, PROT_READ },
};

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < NR(areas); i++) {
		area_map(&areas[i].area, MAP_PRIVATE | MAP_ANONYMOUS);
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
