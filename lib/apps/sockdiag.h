/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's socket diagnostics, sock_diag(7), for the network namespace of this process. */
#ifndef NVWA_APPS_SOCKDIAG_H
#define NVWA_APPS_SOCKDIAG_H

#include <stddef.h>

struct nlmsghdr;

/* One socket; not 0 ends it. */
typedef int (*sock_diag_fn)(void *ctx, const struct nlmsghdr *message);

/*
 * Ask for all sockets of a kind and call fn for each; request is what follows the header. A
 * negative errno, or what fn has returned.
 */
int sock_diag_dump(const void *request, size_t len, sock_diag_fn fn, void *ctx);

/*
 * Room for one more element behind the nr of a list, which grows in powers of two: the list as
 * it is from now on, or NULL, and then it is as it was.
 */
void *sock_diag_grow(void *list, size_t nr, size_t size);

#endif
