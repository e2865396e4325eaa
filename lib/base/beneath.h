/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paths that others may change while root walks them. They are walked component by component
 * on descriptors, and never leave the root directory that is given. A symbolic link is followed
 * only if it is our own, in a directory where nobody else can have put it; whatever other link
 * stands in the way is -ELOOP, and ".." is -EXDEV. All descriptors are O_PATH, and so nothing
 * that is found is opened: a FIFO does not block, a device notices nothing.
 */
#ifndef NVWA_BASE_BENEATH_H
#define NVWA_BASE_BENEATH_H

#include <limits.h>
#include <sys/types.h>

/* The root directory as a process sees it; pid 0: as we do. */
int beneath_root(pid_t pid);

/* What is at the path; a link at its end is not followed. */
int beneath_open(int root, const char *path);

/* The directory in which the path lies, and its last component. */
int beneath_parent(int root, const char *path, char name[NAME_MAX + 1]);

/*
 * Make a file, a directory or a special file in a directory: with that owner and that mode from
 * the moment on when others may use it. -EEXIST: something is there, which stays as it is;
 * -EPERM: somebody has exchanged what was made; -ELOOP: a link that is not to be our own, which
 * is never made. Of a link the target is given.
 */
struct beneath_node {
	mode_t mode;		/* with its type */
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	const char *target;
};
int beneath_make(int dir, const char *name, const struct beneath_node *node);

#endif
