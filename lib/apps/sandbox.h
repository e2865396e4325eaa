/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sandbox that systemd has built around a service, built again before systemd runs: the
 * service's view of the file system (its mount namespace), and its own host name.
 *
 * The old kernel writes down how, as a plan of a line each, in the order of carrying out.
 * Names are escaped as in mountinfo, OPTIONS are a mount's ("ro,nosuid"), and SPREAD is
 * "shared", "slave", "shared,slave" or "private", see mount_namespaces(7).
 *   node MODE UID GID RDEV PATH TARGET
 *	a file of the machine that is in memory only, if it is not there: empty, a directory,
 *	device or link
 *   uts
 *	a UTS namespace
 *   bind OPTIONS SPREAD TYPE SOURCE DIR
 *	what the machine has at SOURCE, on a file system TYPE
 *   again OPTIONS SPREAD SOURCE DIR
 *	what the sandbox has at SOURCE by now
 *   tmp OPTIONS SPREAD BASE NAME DIR
 *	the private directory NAME in BASE (PrivateTmp=)
 *   new OPTIONS SPREAD TYPE DATA DIR
 *	a file system of the sandbox's own, with the options DATA
 *   fill MODE UID GID RDEV PATH TARGET
 *	as node, in the sandbox
 */
#ifndef NVWA_APPS_SANDBOX_H
#define NVWA_APPS_SANDBOX_H

#include <stdio.h>
#include <sys/types.h>
#include "lib/base/error.h"

/*
 * In the old kernel: the plan for the main process of a unit, to out (NULL: only look).
 * -ENOTSUP: the sandbox has something that only systemd can make, and err says what.
 */
int sandbox_plan(pid_t pid, const char *unit, FILE *out, struct error *err);

/* Lines "node" for a path in memory, and for the directories that lead to it; none elsewhere. */
int sandbox_plan_path(const char *path, FILE *out, struct error *err);

/* What sandbox_build() has called the directories of PrivateTmp=, "" if there are none. */
struct sandbox_tmp {
	char tmp[256], var_tmp[256];
};

/*
 * In the new kernel: carry out a plan in the calling process, which leaves the machine's
 * view of the file system for good. On failure it must end.
 */
int sandbox_build(const char *plan, const char *unit, struct error *err);

/* Nothing but the lines "node", in the view of the calling process. */
int sandbox_make_nodes(const char *plan);

/* Nothing but the names that sandbox_build() chooses in this boot. */
int sandbox_tmp_names(const char *plan, const char *unit, struct sandbox_tmp *names);

#endif
