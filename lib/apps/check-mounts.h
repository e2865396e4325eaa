/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File systems that cannot be written out while TCP is silent and programs stand still: those
 * of a server in the network or of a program, and those on a disk in the network.
 */
#ifndef NVWA_APPS_CHECK_MOUNTS_H
#define NVWA_APPS_CHECK_MOUNTS_H

#include <stdbool.h>
#include "lib/apps/mountinfo.h"

/* A file system of a server or of a program: even to look at it may take for ever. */
bool mount_is_served(const struct mountinfo *m);

/* Called for each file system that stands against an update, with a whole sentence. */
typedef void (*mounts_reason_fn)(void *ctx, const char *text);

/* Of these mounts; sysroot is "" except in tests. What was said once is not said again. */
struct mounts_seen {
	dev_t *list;
	size_t nr;
};
int mounts_check(const char *sysroot, const struct mountinfos *mounts, struct mounts_seen *seen,
		 mounts_reason_fn reason, void *ctx);

/* Of the mounts of all processes, and of swap space. */
int mounts_check_machine(mounts_reason_fn reason, void *ctx);

#endif
