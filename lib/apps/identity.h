/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What tells a file from others, in both kernels. A name that leads to another file than before,
 * as somebody has put a link or another file in its way, is found by that.
 */
#ifndef NVWA_APPS_IDENTITY_H
#define NVWA_APPS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct identity {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	unsigned long long ino;
	unsigned long fs;	/* kind of the file system: f_type of statfs(2) */
	uint64_t fsid;		/* its f_fsid */
	bool gone;		/* its name was removed */
	bool linked;		/* but it has others */
	bool copied;		/* nvwa puts a copy there: set by the caller */
	bool outside;		/* the path is not one of the app's sandbox: likewise */
	char *path;		/* without links, as the kernel tells it; malloc()ed */
};

/*
 * Of what a link of /proc leads to (/proc/PID/fd/N). -ENODATA: it is no file that a name leads
 * to, or memory that only looks like one.
 */
int identity_take(const char *link, struct identity *id);

/* Why it is not the same file, in words; NULL: it is. */
const char *identity_differs(const struct identity *was, const struct identity *is);

/* A line for a file, without its end, and what was read from it (which is changed). */
int identity_put(FILE *out, const struct identity *id);
int identity_parse(char *line, struct identity *id);

/* Is this the name of memory, as the kernel calls it in /proc/PID/maps and fd? */
bool identity_is_memory(const char *name);

/* Is it on a file system of users' files? Those of the kernel's come and go with processes. */
bool identity_has_owner(const struct identity *id);

#endif
