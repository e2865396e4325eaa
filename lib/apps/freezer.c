// SPDX-License-Identifier: GPL-2.0-only
/* Control groups that are frozen. */
#include "lib/apps/freezer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/cgroup.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/proc.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

/* Holds PID 1: who is frozen has nobody to talk to, and a hardware watchdog has it. */
#define INIT_GROUP	"/init.scope"
/*
 * What a service says until it is dumped waits in its stream for somebody to read it, and would
 * be lost at the jump.
 */
#define JOURNAL_GROUP	"/system.slice/systemd-journald.service"
/* All that runs stands still within ms. Who sleeps in the kernel is not worth more. */
#define WAIT_MS		1000

const char *freezer_root = CGROUP_ROOT;

/* The groups in which apps live, once for each app, and the journal's. */
static char **kept;

static int file_of(const char *group, const char *name, char *path, size_t size)
{
	return path_format(path, size, "%s%s/%s", freezer_root, group, name);
}

static int write_state(const char *group, const char *state)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r;

	r = file_of(group, "cgroup.freeze", path, sizeof(path));
	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, state, 1) < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	return 0;
}

/* Not ours if it is frozen already: who has done that thaws it. */
static int freeze(const char *group, struct error *err)
{
	_cleanup_free_ char *state = NULL;
	char path[PATH_MAX];
	int r;

	r = file_of(group, "cgroup.freeze", path, sizeof(path));
	/* The first one has no such file, and those that are gone. */
	if (r == 0 && (file_read(path, &state, NULL) < 0 || state[0] == '1'))
		return 0;
	if (r == 0)
		r = trail_add(TRAIL_GROUP, "%s", group);
	if (r == 0)
		r = write_state(group, "1");
	return r < 0 ? error_set(err, -r, "cannot freeze the control group %s: %s", group,
				 strerror(-r)) : 0;
}

int freezer_thaw(const char *group)
{
	return write_state(group, "0");
}

/* Until the kernel says that it is frozen, or until a time (ms of the monotonic clock). */
static void wait_for(const char *group, long long until)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	if (file_of(group, "cgroup.events", path, sizeof(path)) < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0) {
		const long long left = until - (long long)(clock_ns(CLOCK_MONOTONIC) / 1000000);
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		char text[256];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			return;
		text[n] = '\0';
		if (strstr(text, "frozen 1") || left <= 0 || poll(&p, 1, left) <= 0)
			return;
	}
}

/* The groups of a program and all that it has started, each once, at the end of a list. */
static int list_groups(pid_t pid, char ***groups)
{
	_cleanup_free_ pid_t *pids = NULL;
	_cleanup_strv_ char **own = NULL;
	size_t nr;
	int r;

	r = proc_tree(pid, &pids, &nr);
	for (size_t i = 0; r == 0 && i < nr; i++) {
		_cleanup_free_ char *group = NULL;

		r = proc_cgroup(pids[i], &group);
		if (r == 0 && !strv_has(own, group))
			r = strv_append(&own, group);
		/* It has ended meanwhile. */
		if (r == -ESRCH || r == -ENOENT)
			r = 0;
	}
	for (char **o = own; r == 0 && o && *o; o++)
		r = strv_append(groups, *o);
	return r;
}

int (*freezer_groups)(pid_t pid, char ***groups) = list_groups;

/* Is it one of them, or does it have one of them below? */
static bool has_kept(const char *group, bool *itself)
{
	bool found = false;

	*itself = false;
	for (char **k = kept; k && *k; k++) {
		*itself = *itself || strcmp(*k, group) == 0;
		found = found || path_is_below(*k, group);
	}
	return found;
}

/* All below a group but those with an app in them; "" is the first one. */
static int freeze_below(const char *group, struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[PATH_MAX];
	int r;

	r = file_of(group, "", path, sizeof(path));
	dir = r < 0 ? NULL : opendir(path);
	if (!dir)
		return r < 0 || *group ? r : error_set(err, errno, "cannot list the control groups "
						       "in %s: %s", path, strerror(errno));
	while (r == 0 && (entry = readdir(dir))) {
		bool itself;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		r = path_format(path, sizeof(path), "%s/%s", group, entry->d_name);
		if (r < 0 || strcmp(path, FREEZER_SPARED) == 0 || strcmp(path, INIT_GROUP) == 0)
			continue;
		if (!has_kept(path, &itself))
			r = freeze(path, err);
		else if (!itself)
			r = freeze_below(path, err);
	}
	return r;
}

static void forget_kept(void)
{
	cleanup_strv(&kept);
	kept = NULL;
}

int freezer_others(const struct app *apps, size_t nr_apps, struct error *err)
{
	const long long until = clock_ns(CLOCK_MONOTONIC) / 1000000 + WAIT_MS;
	_cleanup_strv_ char **frozen = NULL;
	int r;

	forget_kept();
	r = strv_append(&kept, JOURNAL_GROUP);
	for (size_t i = 0; r == 0 && i < nr_apps; i++)
		r = freezer_groups(apps[i].pid, &kept);
	if (r < 0)
		return error_set(err, -r, "cannot see the control groups of the programs: %s",
				 strerror(-r));
	r = freeze_below("", err);
	if (r == 0)
		r = trail_values(TRAIL_GROUP, &frozen);
	for (char **f = frozen; r == 0 && f && *f; f++)
		wait_for(*f, until);
	return r;
}

/* One app less lives there; does none that is left, there or below? */
static bool was_last(const char *group)
{
	char **k = kept;

	while (k && *k && strcmp(*k, group))
		k++;
	if (k && *k)
		**k = '\0';
	for (k = kept; k && *k; k++)
		if (path_is_below(*k, group))
			return false;
	return true;
}

int freezer_hold(const struct app *app, struct error *err)
{
	_cleanup_strv_ char **groups = NULL;
	int r;

	r = freezer_groups(app->pid, &groups);
	if (r < 0)
		return error_set(err, -r, "cannot see the control groups of %s: %s", app->name,
				 strerror(-r));
	/* It is stopped, and with the group frozen no signal lets it run: no need to wait. */
	for (char **g = groups; r == 0 && g && *g; g++)
		if (was_last(*g))
			r = freeze(*g, err);
	return r;
}

int freezer_rest(struct error *err)
{
	forget_kept();
	return freeze_below("", err);
}
