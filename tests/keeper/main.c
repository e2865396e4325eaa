// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test of the module by itself, in a guest, as root:
 *   keeper old            the old kernel's side
 *   keeper held           the same, with pages that others hold
 *   keeper shmem          the same, with shared memory
 *   keeper new BASE LEN   the new kernel's side, with memory that is hidden
 *                         from this kernel at BASE (hex)
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
	fprintf(stderr, "usage: keeper old | keeper held | keeper shmem | keeper new BASE LEN\n");
	return 2;
}
