/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is there room for what is carried? In the next kernel before it has all memory, in the machine
 * afterwards, and in this kernel while the update is prepared.
 */
#ifndef NVWA_TOOL_ROOM_H
#define NVWA_TOOL_ROOM_H

#include <stddef.h>
#include <stdint.h>
#include "lib/apps/app.h"
#include "lib/apps/footprint.h"
#include "lib/apps/tree-size.h"
#include "lib/base/error.h"
#include "lib/kexec/memmap.h"
#include "tool/config.h"

struct room {
	struct memmap ram;		/* of the machine */
	struct scratch_plan plan;	/* where the next kernel boots */
	struct footprint memory;	/* of all apps */
	uint64_t bytes;			/* free in the scratch, see fit_room() */
	uint64_t files_most;		/* bytes of files that it takes, see fit_files_most() */
	uint64_t files;			/* and that there are, by room_check_files() */
};

/* Choose the scratch, away from the pages of the apps as far as it goes. Freed by room_free(). */
int room_find(const struct config *config, const struct app *apps, size_t nr_apps,
	      struct room *room, struct error *err);
void room_free(struct room *room);

/*
 * Measure the files that would be copied while programs stand still: -EFBIG and the words if they
 * do not fit or are too many. *left, if not NULL, is how many bytes archives may have, once
 * CRIU's images are taken off.
 */
int room_check_files(struct room *room, const struct app *apps, size_t nr_apps,
		     uint64_t *left, struct error *err);

/*
 * -ENOMEM and the words if the machine, or this kernel now, has too little memory for all that.
 * unshared: pages more that are needed when nothing is shared copy on write any more.
 */
int room_check_memory(const struct room *room, uint64_t unshared, struct error *err);

#endif
