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

#endif
