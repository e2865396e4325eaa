/* SPDX-License-Identifier: GPL-2.0-only */
/* Where in physical memory the pages of apps lie. */
#ifndef NVWA_APPS_FOOTPRINT_H
#define NVWA_APPS_FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>
#include "lib/apps/app.h"

/*
 * Count the present pages of all processes of the apps by memory block
 * (physical address / block_size). *used is malloc()ed, *nr_used long; a
 * process that has ended counts as nothing. The counts are a snapshot.
 */
int footprint_blocks(const struct app *apps, size_t nr_apps, uint64_t block_size,
		     uint64_t **used, size_t *nr_used);

/*
 * How many pages more the apps take when each of their processes has its own
 * copy of what it shares with others copy on write, or merged by KSM: one less
 * than there are addresses that lead to a page. A snapshot as well.
 */
int footprint_shared(const struct app *apps, size_t nr_apps, uint64_t *extra);

#endif
