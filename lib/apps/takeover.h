/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Services that are restored before systemd runs, and how it takes them over when it starts:
 * as it does from itself when it executes itself anew (systemctl daemon-reexec), or from the
 * systemd of an initramfs. It is given a file that says which units run, with which main
 * process, and descriptors that belong to them. The words in it are those of systemd 252 to
 * 257 (src/core/manager-serialize.c, unit-serialize.c, service.c); as a later version must
 * understand what an earlier one has written, they change little.
 */
#ifndef NVWA_APPS_TAKEOVER_H
#define NVWA_APPS_TAKEOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "lib/apps/app.h"
#include "lib/apps/stand-in.h"
#include "lib/base/error.h"
#include "uapi/record.h"

/* The file, and the numbers of descriptors: from this one on, so many for each app. */
#define TAKEOVER_FILE		NVWA_STATE_DIR "/systemd-state"
#define TAKEOVER_FIRST_FD	100
#define TAKEOVER_MAX_FDS	16

/*
 * The file names them by their numbers, so PID 1 gets them there, over a socket that it gave to
 * "nvwa resume --ahead" under this one. With each comes its number, see lib/base/pass-fd.h.
 */
#define TAKEOVER_SOCKET		3

/* In the directory of an app; without it the service waits for systemd. */
#define TAKEOVER_DIR		"takeover"
#define TAKEOVER_STREAMS	"streams"	/* see lib/apps/journal.h */

/* Is this program systemd, and no other init or one that is started before it? */
bool takeover_understood(const char *init);

/* Can it take over the journal's sockets? */
bool takeover_has_journal(void);

/* Can systemd take over this service? -ENOTSUP, and err says why not. */
int takeover_allows(const struct app *app, struct error *err);

/*
 * In the old kernel, while it runs: what is needed to make it again, to <dir>/takeover.
 * -ENOTSUP as above, and there is no such directory.
 */
int takeover_save(const struct app *app, const char *dir, struct error *err);

/*
 * In the new kernel: what systemd will be told of a service, or of the journal. All 0 at first
 * but for first_fd.
 */
struct takeover {
	int first_fd;			/* the number of its first descriptor */
	char *manager, *units;		/* text; NULL: none */
	int fds[TAKEOVER_MAX_FDS];	/* in the order of their numbers */
	size_t nr_fds;
};

/* The journal's sockets, made for this; see lib/apps/journal.h. */
int takeover_add_journal(struct takeover *t, struct error *err);

/*
 * A service that was restored around a stand-in, from its directory <dir>; takes over the
 * stand-in's device filters.
 */
int takeover_add_service(struct takeover *t, const char *dir, const char *unit,
			 const char *cgroup, struct stand_in *stand_in);

/* Pass its descriptors to PID 1, and leave the text in <dir>/takeover, in two parts. */
int takeover_leave(const struct takeover *t, const char *dir);
#define TAKEOVER_MANAGER	"told-manager"	/* what is about systemd itself */
#define TAKEOVER_UNITS		"told-units"	/* and about units */

void takeover_free(struct takeover *t);

/*
 * Put together the file from what was left in the directories of apps (NULL at the end). There
 * is none if nothing was.
 */
int takeover_write(const char *path, char *const *dirs);

/*
 * Later, when systemd runs: does it have this service, with that main process, unless that has
 * come to its end? 1: no, and err says so.
 */
int takeover_verify(const char *unit, pid_t pid, struct error *err);

#endif
