/* SPDX-License-Identifier: GPL-2.0-only */
/* How much there is below a directory, before it is put into an archive. */
#ifndef NVWA_APPS_TREE_SIZE_H
#define NVWA_APPS_TREE_SIZE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/base/error.h"

/*
 * Each file costs time while programs stand still, whatever its size: with tar some 20 us to
 * save and 40 us to restore where a processor of today runs at its full speed.
 */
#define TREE_FILES_MOST		20000

/* Who nests deeper is after something else than a place for files. */
#define TREE_DEPTH_MOST		100

#define TREE_LARGEST		3

struct tree_file {
	char path[256];		/* cut off, and without what a terminal would obey */
	uint64_t bytes;
	uid_t uid;
};

struct tree_size {
	uint64_t bytes;		/* what an archive takes: contents without holes, and headers */
	uint64_t nr;		/* files and directories */
	struct tree_file largest[TREE_LARGEST];	/* of more than 0 bytes, the largest first */
	struct tree_file crowded;	/* who has more than TREE_FILES_MOST: where that was seen */
};

/*
 * Add what is below dir (or dir itself, if it is a file or a link), on its file system. Entries
 * of dir itself whose names begin with skip are left out (NULL: none). name is what dir is called
 * in paths. Nothing there is no error, and neither is what goes away meanwhile. -E2BIG: more than
 * TREE_FILES_MOST, counted no further; -ELOOP: nested too deep.
 */
int tree_size_add(const char *dir, const char *name, const char *skip, struct tree_size *size);

/* The largest files with their owners, as the end of a sentence; "" if there are none. */
void tree_size_say(const struct tree_size *size, char *text, size_t len);

#endif
