/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directories put away as tar archives with all attributes, by the tar command. Paths are as the
 * process inside sees them (0: as we do), and lead through no link but root's own; when an archive
 * is unpacked nothing is written through any.
 */
#ifndef NVWA_APPS_ARCHIVE_H
#define NVWA_APPS_ARCHIVE_H

#include <stdint.h>
#include <sys/types.h>
#include "lib/base/error.h"

/*
 * Archive a directory or one file, without other file systems in it. Nothing there, or an
 * empty directory: no archive is made. *left is how many bytes the archive may have, and is
 * lowered by what it has: -EFBIG if that is not enough.
 */
int archive_save(const char *tar, pid_t inside, const char *path, uint64_t *left,
		 struct error *err);

/*
 * An archive of ".", of what is in a directory that we have open, as it were: dir is a path on
 * which no link of somebody else's lies. Entries whose names begin with skip are left out. It
 * is called name in messages.
 */
int archive_save_inside(const char *tar, const char *dir, const char *name, const char *skip,
			uint64_t *left, struct error *err);

/* Unpack it over what is at path, which has the same last part; 0 if there is no archive. */
int archive_restore(const char *tar, pid_t inside, const char *path, struct error *err);

/* Unpack an archive of "." into a directory: what is there stays. 0 if there is no archive. */
int archive_add(const char *tar, const char *dir, struct error *err);

#endif
