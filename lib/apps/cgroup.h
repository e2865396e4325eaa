/* SPDX-License-Identifier: GPL-2.0-only */
/* Control groups (version 2) that are made before systemd makes them; see cgroups(7). */
#ifndef NVWA_APPS_CGROUP_H
#define NVWA_APPS_CGROUP_H

#include <sys/types.h>
#include "lib/base/error.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"

/*
 * Make a control group and those above it, as systemd does, which finds it there later. Each
 * hands the given controllers ("cpu memory") down to those below, as far as this kernel has
 * them. group is its path below CGROUP_ROOT, "/system.slice/x.service".
 */
int cgroup_make(const char *group, const char *controllers, struct error *err);

/* Move a process there; pid 0: this one. */
int cgroup_enter(const char *group, pid_t pid);

/* Kill all processes of the control group whose name is in a file; nothing if it is not there. */
void cgroup_kill_noted(const char *file);

/*
 * The limits of a control group as lines "FILE VALUE", malloc()ed, and whose a file is that
 * systemd lets the service itself write, as "owner FILE UID GID"; and back.
 */
int cgroup_read_limits(const char *group, char **limits);
int cgroup_set_limits(const char *group, const char *limits);

#endif
