// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test of the module by itself, in a guest, as root:
 *   keeper old            the old kernel's side
 *   keeper held           the same, with pages that others hold
 *   keeper shmem          the same, with shared memory
 *   keeper new BASE LEN   the new kernel's side, with memory that is hidden
 *                         from this kernel at BASE (hex)
 *   keeper cost-old MB    what the steps cost, on MB (a power of two) of memory
 *   keeper cost-new BASE LEN MB
 */
#include "keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "old"))
		return test_old();
	if (argc == 2 && !strcmp(argv[1], "held"))
		return test_held();
	if (argc == 2 && !strcmp(argv[1], "shmem"))
		return test_shmem();
	if (argc == 4 && !strcmp(argv[1], "new"))
		return test_new(strtoull(argv[2], NULL, 16), strtoull(argv[3], NULL, 16));
	if (argc == 3 && !strcmp(argv[1], "cost-old"))
		return cost_old(strtoull(argv[2], NULL, 10) * MIB);
	if (argc == 5 && !strcmp(argv[1], "cost-new"))
		return cost_new(strtoull(argv[2], NULL, 16), strtoull(argv[3], NULL, 16),
				strtoull(argv[4], NULL, 10) * MIB);
	fprintf(stderr, "usage: keeper old | held | shmem | new BASE LEN | cost-old MB | "
		"cost-new BASE LEN MB\n");
	return 2;
}
