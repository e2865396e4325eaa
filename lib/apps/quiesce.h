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
 * shutdown would stop, except the carried ones and what keeps the machine itself going, or guards
 * it. Those by which somebody logs in, and those that a carried one needs, are in the other list:
 * they are frozen, and started afresh like the others. See lib/base/strv.h; free both in any case.
 */
int quiesce_list(const struct app *apps, size_t nr_apps, char ***services, char ***frozen,
		 struct error *err);

/*
 * Running services that start before the network (Before=network-pre.target), as packet filters do:
 * they are not stopped, as that would open the machine. *services is a list (strv.h).
 */
int quiesce_filters(char ***services, struct error *err);

int quiesce_stop(char **services, struct error *err);
int quiesce_start(char **services, struct error *err);

/* Whether all of them run again: -ESRCH, and err says which do not. */
int quiesce_verify(char **services, struct error *err);

/* systemd is not frozen, and would kill services that are, as they do not report in time. */
int quiesce_watchdogs_off(struct error *err);
int quiesce_watchdogs_on(void);

/* Move a process into a control group of its own, which lib/apps/freezer.h spares. */
int quiesce_enter(pid_t pid, struct error *err);

/* The caller goes back to the control group (proc_cgroup()) that it was in before. */
int quiesce_leave(const char *home);

/*
 * Freeze every other control group, write out all dirty data, and freeze
 * every writable file system. After it the caller may write only to tmpfs.
 */
int quiesce_freeze(struct error *err);

/* Thaw the file system at a directory, as the trail has it. */
int quiesce_thaw(const char *escaped);

#endif
