/* SPDX-License-Identifier: GPL-2.0-only */
/* Where in physical memory the pages of apps lie. */
#ifndef NVWA_APPS_FOOTPRINT_H
#define NVWA_APPS_FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>
#include "lib/apps/app.h"

/* Where the memory lies that all processes of some apps have, at a moment. */
struct footprint {
	uint64_t block_size;
	uint64_t *used;		/* present pages by memory block: physical address / block_size */
	size_t nr_used;
	uint64_t present;	/* pages of their own: sum of used */
	uint64_t swapped;	/* and those that are in the swap space */
	uint64_t shared;	/* pages of shared memory, wherever they are; each once an app */
	uint64_t runs;		/* pieces in a row of all that, as in struct nvwa_run, about */
};

/* A process that has ended counts as nothing. Freed by footprint_free(). */
int footprint_read(const struct app *apps, size_t nr_apps, uint64_t block_size,
		   struct footprint *f);
void footprint_free(struct footprint *f);

/*
 * How many pages more the apps take when each of their processes has its own
 * copy of what it shares with others copy on write, or merged by KSM: one less
 * than there are addresses that lead to a page. A snapshot as well.
 */
int footprint_shared(const struct app *apps, size_t nr_apps, uint64_t *extra);

#endif
