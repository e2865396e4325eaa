/* SPDX-License-Identifier: GPL-2.0-only */
/* What a process watches by inotify(7) or fanotify(7), as far as it is in memory. */
#ifndef NVWA_APPS_WATCHES_H
#define NVWA_APPS_WATCHES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "lib/apps/mountinfo.h"

/* The longest handle that the kernel gives out (MAX_HANDLE_SZ). */
#define WATCH_HANDLE_MAX	128

struct watch {
	uint64_t ino;
	dev_t dev;
	int type;		/* these three as name_to_handle_at(2) has them */
	unsigned int len;
	unsigned char handle[WATCH_HANDLE_MAX];
};

/* From a line of /proc/PID/fdinfo/N, see proc_pid_fdinfo(5); false: it tells of no file. */
bool watch_parse(const char *line, struct watch *w);

/* Is it the kind of descriptor (by what its link in /proc/PID/fd says) that watches? */
bool watch_is_kind(const char *target);

/*
 * Call fn with the path of every file on a tmpfs that the descriptor watches. What was removed
 * or cannot be found is left out. Not 0 from fn ends it, and is returned.
 */
int watches_find(pid_t pid, int fd, const struct mountinfos *mounts,
		 int (*fn)(void *ctx, const char *path), void *ctx);

#endif
