/* SPDX-License-Identifier: GPL-2.0-only */
/* Where systemd does not run yet, a process of ours stands in for what it would start. */
#ifndef NVWA_APPS_STAND_IN_H
#define NVWA_APPS_STAND_IN_H

#include <stddef.h>
#include <sys/types.h>
#include "lib/apps/sandbox.h"
#include "lib/base/error.h"

/* In the directory of a service that can be made without systemd, see lib/apps/takeover.h. */
#define STAND_IN_SANDBOX	"sandbox"	/* see lib/apps/sandbox.h */
#define STAND_IN_DEVICES	"devices"	/* see lib/apps/devfilter.h */
#define STAND_IN_LIMITS		"limits"	/* see cgroup_read_limits() */

struct stand_in {
	pid_t pid;			/* it waits in the service's control group and namespaces */
	struct sandbox_tmp tmp;
	int *filters;			/* programs attached to the control group */
	size_t nr_filters;
};

/* A process that waits to be killed, and ends with this one; negative errno. */
pid_t stand_in_start(void);

/*
 * That of a service, with its control group. dir holds the files above. On failure nothing
 * is left but files, and systemd can still start the service.
 */
int stand_in_make(const char *dir, const char *unit, const char *cgroup, const char *controllers,
		  struct stand_in *stand_in, struct error *err);

/* End the process. */
void stand_in_end(pid_t pid);

#endif
