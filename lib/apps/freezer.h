/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control groups that are frozen, so that nothing in them runs whatever signal is sent to it;
 * see cgroups(7). Each is noted in the trail (lib/apps/trail.h) before.
 */
#ifndef NVWA_APPS_FREEZER_H
#define NVWA_APPS_FREEZER_H

#include "lib/apps/app.h"
#include "lib/base/error.h"

/* Our own below CGROUP_ROOT, which is never frozen. */
#define FREEZER_SPARED	"/nvwa"

/* CGROUP_ROOT, and the groups of a program and all it has started; others in tests. */
extern const char *freezer_root;
extern int (*freezer_groups)(pid_t pid, char ***groups);

/*
 * Freeze all but those that the apps live in, systemd's (init.scope), journald's and our own.
 * When it returns their processes stand still, but for those that sleep in the kernel for long,
 * which do so when they wake up.
 */
int freezer_others(const struct app *apps, size_t nr_apps, struct error *err);

/*
 * Freeze the groups of an app that is dumped. One in which an app lives that is not held yet is
 * left until then.
 */
int freezer_hold(const struct app *app, struct error *err);

/* Freeze also what has come up since, as a whole. */
int freezer_rest(struct error *err);

/* Thaw a group; 0 if there is none. */
int freezer_thaw(const char *group);

#endif
