/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal's sockets, made before systemd makes them, so that apps that run ahead of it can send
 * there: what they say waits in the sockets until systemd-journald has them. And the streams
 * of services to it.
 */
#ifndef NVWA_APPS_JOURNAL_H
#define NVWA_APPS_JOURNAL_H

#include <stdbool.h>
#include "lib/apps/app.h"
#include "lib/base/error.h"

/* A socket that a unit of systemd's listens on, as that unit has it. */
struct journal_socket {
	const char *unit;
	const char *path;
	int type;		/* of socket(2) */
};

/* All of them; those of one unit stand together. */
#define NR_JOURNAL_SOCKETS	3
extern const struct journal_socket journal_sockets[NR_JOURNAL_SOCKETS];

/* Is it the name of one to which datagrams are sent? */
bool journal_receives(const char *path);

/* Whether systemd listens on all of them now. */
bool journal_is_there(void);

/* Make one, close-on-exec; for that of syslog, /dev/log as well. */
int journal_listen(const struct journal_socket *s);

/*
 * In the old kernel: what journald knows of each stream of an app, to files <dir>/<inode of
 * the app's end>.
 */
int streams_save(const struct app *app, const char *dir, struct error *err);

/* In the new one: such a stream, as systemd would open it; close-on-exec. */
int stream_open(const char *dir, unsigned long long ino, struct error *err);

#endif
