/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scope of a program that is no service: the unit of systemd's, and so the
 * control group, that it is rebuilt in. Before systemd runs it is a control group only.
 */
#ifndef NVWA_APPS_SCOPE_H
#define NVWA_APPS_SCOPE_H

#include <sys/types.h>
#include "lib/base/error.h"

/*
 * Make the scope of program pid, which does not exist yet, around a process that only waits
 * and ends with us at the latest; *placeholder is its PID, for stand_in_end(). controllers
 * (names with blanks between them) are those that the control group has if systemd does not
 * make it.
 */
int scope_make(pid_t pid, const char *controllers, pid_t *placeholder, struct error *err);

/* Tell systemd of the scope of a program that was made before it ran. */
int scope_register(pid_t pid, struct error *err);

/* Controllers that the control group of a process has, as cgroup_make() wants them; malloc()ed. */
int scope_controllers(pid_t pid, char **controllers);

#endif
