/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rest of the machine, which is not carried: services are stopped in good
 * order while that can still be undone, then every other task and every file
 * system is frozen so that the jump finds clean disks.
 */
#ifndef NVWA_APPS_QUIESCE_H
#define NVWA_APPS_QUIESCE_H

#include <stddef.h>
#include "lib/apps/app.h"
#include "lib/base/error.h"

/*
 * Names of the running services that are to be stopped: all that an ordinary
 * shutdown would stop, except the carried ones, those that a carried one needs, and what keeps the
 * machine itself going, or guards it. NULL-ended, malloc()ed; free with quiesce_free().
 */
int quiesce_list(const struct app *apps, size_t nr_apps, char ***services, struct error *err);
void quiesce_free(char **services);

/*
 * Running services that start before the network (Before=network-pre.target), as packet filters do:
 * they are not stopped, as that would open the machine. *services is a list (strv.h).
 */
int quiesce_filters(char ***services, struct error *err);

int quiesce_stop(char **services, struct error *err);
int quiesce_start(char **services, struct error *err);

/* Move the caller into a control group of its own, which quiesce_freeze() spares. */
int quiesce_enter(struct error *err);

/* Go back to the control group that quiesce_enter() left. */
void quiesce_leave(void);

/*
 * Freeze every other control group, write out all dirty data, and freeze
 * every writable file system. After it the caller may write only to tmpfs.
 * quiesce_thaw() undoes what was done so far; safe to call at any time.
 */
int quiesce_freeze(struct error *err);
void quiesce_thaw(void);

#endif
