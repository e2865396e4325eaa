/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the name of a file leads, by any spelling. */
#ifndef NVWA_APPS_NAMES_H
#define NVWA_APPS_NAMES_H

#include <stddef.h>

/* Called for a symbolic link on the way, by its own path; not 0 ends the search. */
typedef int (*name_link_fn)(void *ctx, const char *path);

/*
 * Follow an absolute name as a process does whose root directory is <root> ("" is ours): what
 * it leads to, without links and dots, to path, which begins at that root as well. fn (or
 * NULL) hears of all links. Errors: -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, or what fn returned.
 */
int name_follow(const char *root, const char *name, name_link_fn fn, void *ctx, char *path,
		size_t size);

#endif
