/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP sockets of an app: CRIU's dump leaves them in repair mode. */
#ifndef NVWA_APPS_SOCKETS_H
#define NVWA_APPS_SOCKETS_H

#include <stdbool.h>
#include "lib/apps/app.h"

/* The descriptor fd of another process as one of ours, or a negative errno. */
int pidfd_take(pid_t pid, int fd);

/* Before the dump: note in the trail (lib/apps/trail.h) what the dump changes. */
int sockets_note(const struct app *app);

/* Let the TCP sockets of an app that was dumped work again. */
int sockets_resume(const struct app *app);

/* Set used[PORT] for the local ports of its TCP sockets; 0 stands for those without one. */
#define SOCKETS_PORTS	65536
int sockets_ports(const struct app *app, bool used[SOCKETS_PORTS]);

/*
 * Have each of its connections send an empty segment, as keepalive does: a stateful packet filter
 * knows none of them after an update, and would take the peer's for the first of an unknown one. It
 * takes more than a second, and the program notices nothing.
 */
int sockets_probe(const struct app *app);

#endif
