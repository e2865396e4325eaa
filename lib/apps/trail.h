/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trail of an update: what it has changed of this machine so far, a line each, written
 * before the change is made. Whoever is left can undo it by that, also if the process that
 * made the update is dead. It lies in memory and does not go into the record.
 */
#ifndef NVWA_APPS_TRAIL_H
#define NVWA_APPS_TRAIL_H

#include <stdbool.h>
#include "uapi/record.h"

/* The file; another one in tests. */
#define TRAIL_FILE	NVWA_STATE_DIR "/trail"
extern const char *trail_file;

/* The kinds of changes, each with its value. */
#define TRAIL_FILES	"files"		/* a directory that was made */
#define TRAIL_PROGRAM	"program"	/* "NAME PID" of an app, which is going to be stopped */
#define TRAIL_KERNEL	"kernel"	/* a release that was loaded */
#define TRAIL_SERVICE	"service"	/* one that was stopped */
#define TRAIL_ATTEMPT	"attempt"	/* a release, noted on disk as one that failed */
#define TRAIL_ENTERED	"entered"	/* the control group that was left */
#define TRAIL_WATCHDOGS	"watchdogs"	/* systemd's were switched off */
#define TRAIL_GROUP	"group"		/* a control group that was frozen */
#define TRAIL_LOCK	"lock"		/* TCP was locked */
#define TRAIL_SOCKET	"socket"	/* "PID FD", whose SO_REUSEADDR is set */
#define TRAIL_MOUNT	"mount"		/* the directory of a frozen file system, escaped */

/* Add a line; -EINVAL if the value has an end of line in it. */
int trail_add(const char *kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The last line does not hold: the change was not made. */
int trail_take_back(void);

/* The values of a kind, the oldest first; see lib/base/strv.h. */
int trail_values(const char *kind, char ***values);

/* Whether an update was begun, and neither ended nor undone. */
bool trail_exists(void);

void trail_remove(void);

#endif
