/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an app has in memory besides what it holds open: pid files, and all that is in directories
 * of its own below /run and /dev/shm, which no unit need name. Without them it runs on, but
 * nobody can tell it to reload, and it does not find again what it put there.
 *
 * A file that says nothing but the number of one of its processes is its pid file, if it belongs
 * to root or to a user as whom it runs. A directory is its own if such a file or a local socket of
 * it is right in it, or if it belongs to such a user (not root); then all below is. Not so where
 * everybody may write, and directly where a file system is mounted. A pid or lock file that names a
 * process of somebody else is his wherever it is.
 */
#ifndef NVWA_APPS_RUNFILES_H
#define NVWA_APPS_RUNFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include "lib/apps/shmem.h"
#include "lib/base/error.h"

/* Larger files, and more of an app, are not copied. */
#define RUNFILES_MAX_FILE	(1UL << 20)
#define RUNFILES_MAX_SUM	(16UL << 20)
#define RUNFILES_MAX_NUMBER	1024

/* How deep a pid file may lie, and how much is looked at in search of it. */
#define RUNFILES_MAX_DEPTH	6
#define RUNFILES_MAX_SEEN	100000

/* Found: a file to copy, or one that is too large for it; or another thing to make again. */
enum runfile { RUNFILE_COPY, RUNFILE_TOO_LARGE, RUNFILE_NODE };

struct runfiles_search {
	const char *root;		/* "", but for tests */
	const pid_t *pids;		/* of the app */
	size_t nr_pids;
	const uid_t *uids;		/* as whom these run */
	size_t nr_uids;
	char *const *marked;		/* directories with local sockets of it; NULL: none */
	char *const *left_out;		/* paths below which others look after; NULL: none */
	int (*fn)(void *ctx, enum runfile what, const char *path);	/* not 0 ends it */
	void *ctx;
	size_t nr, sum, seen;		/* at first 0 */
};

/*
 * Look below one directory where a tmpfs is mounted. What is mounted deeper, and what is
 * systemd's and udev's, is left out.
 */
int runfiles_find(struct runfiles_search *s, const char *dir);

/*
 * Copy the files whose names, escaped as in mountinfo, are the lines of <names>, all of them
 * below <root> (""), to a file; but those that are shared memory (list), as they are carried in
 * place. What is gone meanwhile is left out.
 */
int runfiles_save(const char *root, const char *names, const struct shmem *list, size_t nr,
		  const char *file);

/*
 * Make them again, where nothing is by now, with owner, mode and time. No symbolic link
 * is followed: who can make one below a directory gets nothing written elsewhere.
 */
int runfiles_restore(const char *file, const char *root);

#endif
