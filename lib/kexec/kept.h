/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The unpacked kernel that "nvwa prepare" keeps on disk: one file, a header and
 * what image_unpack() made. It is of use as long as the image that it was made
 * from is the same file; nothing of it is ever loaded but by an update.
 */
#ifndef NVWA_KEXEC_KEPT_H
#define NVWA_KEXEC_KEPT_H

#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"

#define KEPT_DIR	"/var/cache/nvwa"
#define KEPT_RELEASE	128

/* What is kept. */
struct kept {
	char release[KEPT_RELEASE];
	int64_t prepared;	/* seconds since 1970 */
	uint64_t bytes;		/* of the unpacked kernel */
};

/* Which file a kernel was unpacked from, as it was before it was read. */
struct kept_source {
	const char *release, *path;
	uint64_t size, inode;
	int64_t mtime, ctime;	/* ns */
};

/* Look at the image file of a release. Both strings must outlive source. */
int kept_source(const char *release, const char *path, struct kept_source *source);

/*
 * Keep an unpacked kernel in a directory, which is made (mode 0700), instead
 * of what was kept there. Survives a power failure as a whole or not at all.
 * -ENOSPC: too little room, in words.
 */
int kept_write(const char *dir, const struct kept_source *source, const char *data, size_t len,
	       struct error *err);

/*
 * What is kept; -ENOENT: nothing. -ESTALE: nothing that can be used, whatever
 * the release, and err says why; kept holds what can be told (release may be "").
 */
int kept_look(const char *dir, struct kept *kept, struct error *err);

/*
 * The kernel that is kept of this very file, checked as a whole; *data is
 * malloc()ed. Errors as kept_look(); -ESTALE as well if it is another release,
 * the file is another one, or a byte has changed.
 */
int kept_read(const char *dir, const struct kept_source *source, struct kept *kept, char **data,
	      size_t *len, struct error *err);

/* Remove all of it. 0 if there is nothing. */
int kept_remove(const char *dir);

#endif
