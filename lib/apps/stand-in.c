// SPDX-License-Identifier: GPL-2.0-only
/* A process that stands in for a service, or for a program. */
#include "lib/apps/stand-in.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/apps/cgroup.h"
#include "lib/apps/devfilter.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

static void wait_for_end(pid_t parent) __attribute__((noreturn));

static void wait_for_end(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		pause();
	_exit(0);
}

pid_t stand_in_start(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid)
		wait_for_end(parent);

	return pid < 0 ? -errno : pid;
}

void stand_in_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The same, once it is where the service was. It says nothing when it is, and why when not. */
static pid_t start_inside(const char *plan, const char *unit, const char *cgroup,
			  struct error *err)
{
	pid_t parent = getpid(), pid;
	int ends[2], n;

	if (pipe(ends))
		return -errno;
	pid = fork();
	if (!pid) {
		struct error why = { "" };
		int r;

		close(ends[0]);
		r = cgroup_enter(cgroup, 0);
		if (r < 0)
			error_set(&why, -r, "cannot enter the control group %s: %s", cgroup,
				  strerror(-r));
		else
			r = sandbox_build(plan, unit, &why);
		if (r < 0 && write(ends[1], why.text, strlen(why.text)) < 0)
			_exit(2);
		if (r < 0)
			_exit(1);
		close(ends[1]);
		wait_for_end(parent);
	}
	close(ends[1]);
	if (pid > 0) {
		char text[sizeof(err->text)] = "";

		n = read(ends[0], text, sizeof(text) - 1);
		if (n) {
			stand_in_end(pid);
			pid = error_set(err, EIO, "%s", text);
		}
	}
	close(ends[0]);

	return pid;
}

static int read_optional(const char *dir, const char *name, char **text)
{
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/%s", dir, name);
	if (!r)
		r = file_read(path, text, NULL);
	if (r == -ENOENT) {
		*text = strdup("");
		r = *text ? 0 : -ENOMEM;
	}

	return r;
}

int stand_in_make(const char *dir, const char *unit, const char *cgroup, const char *controllers,
		  struct stand_in *stand_in, struct error *err)
{
	_cleanup_free_ char *plan = NULL, *limits = NULL;
	char group[4200], filters[4200];
	int r;

	memset(stand_in, 0, sizeof(*stand_in));
	r = read_optional(dir, STAND_IN_SANDBOX, &plan);
	if (!r)
		r = read_optional(dir, STAND_IN_LIMITS, &limits);
	if (!r)
		r = sandbox_tmp_names(plan, unit, &stand_in->tmp);
	if (!r)
		r = cgroup_make(cgroup, controllers, err);
	if (!r)
		r = cgroup_set_limits(cgroup, limits);
	if (!r)
		r = path_format(group, sizeof(group), CGROUP_ROOT "%s", cgroup);
	if (!r)
		r = path_format(filters, sizeof(filters), "%s/" STAND_IN_DEVICES, dir);
	if (r < 0)
		return error_set(err, -r, "cannot make the control group of %s: %s", unit,
				 strerror(-r));
	r = start_inside(plan, unit, cgroup, err);
	if (r < 0)
		return r;
	stand_in->pid = r;
	/* Now that the sandbox has the devices that it is to have. */
	r = devfilter_restore(group, filters, &stand_in->filters, &stand_in->nr_filters, err);
	if (r < 0)
		stand_in_end(stand_in->pid);

	return r;
}
