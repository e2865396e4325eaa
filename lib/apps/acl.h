/* SPDX-License-Identifier: GPL-2.0-only */
/* Access control lists of what is in memory; see acl(5). */
#ifndef NVWA_APPS_ACL_H
#define NVWA_APPS_ACL_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Whether a file has an access list: then the group's bits of its mode are the mask of that, and
 * more than the group may.
 */
bool acl_has(const char *path);

/* A line for acls_restore() if what is at <root><path> has lists, else nothing. */
int acl_put(FILE *out, const char *root, const char *path);

/*
 * Give the lists back to what belongs to whom it did, and has none. No symbolic link is
 * followed, and what is gone is left out.
 */
int acls_restore(const char *text, const char *root);

/* The access list of an open file as one word of a line, and back: then it has this one or none. */
void acl_put_file(FILE *out, int fd);
int acl_give_file(int fd, const char *word);

#endif
