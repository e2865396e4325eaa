// SPDX-License-Identifier: GPL-2.0-only
/* Stopping services, freezing tasks and file systems: what is not carried. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/apps/bus.h"
#include "lib/apps/cgroup.h"
#include "lib/apps/check-mounts.h"
#include "lib/apps/freezer.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/needs.h"
#include "lib/apps/proc.h"
#include "lib/apps/quiesce.h"
#include "lib/apps/trail.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

/* Services that keep the machine itself going; they hold no data of their own. */
static const char *const spared[] = {
	"dbus", "systemd-", "user@", "user-runtime-dir@", "getty@", "serial-getty@", "nvwa-",
	/* Those of one connection. */
	"ssh@", "sshd@", "sshd-session@", "dropbear@", NULL,
};

/* By which somebody gets in if something goes wrong. */
static const char *const logins[] = { "ssh.", "sshd.", "dropbear.", NULL };

static bool begins_with_one(const char *unit, const char *const *names)
{
	while (*names && strncmp(unit, *names, strlen(*names)))
		names++;
	return *names;
}

/* Does the process live in the control group of this unit? */
static bool lives_in(pid_t pid, const char *unit)
{
	_cleanup_free_ char *cgroup = NULL;
	char path[64], part[300];

	if (path_format(path, sizeof(path), "/proc/%d/cgroup", pid) < 0 ||
	    path_format(part, sizeof(part), "/%s", unit) < 0 ||
	    file_read(path, &cgroup, NULL) < 0)
		return false;
	/* "0::/system.slice/UNIT" or deeper, see cgroups(7). */
	for (const char *at = cgroup; (at = strstr(at, part)); at++)
		if (strchr("/\n", at[strlen(part)]))
			return true;
	return false;
}

/* A carried service, or one in whose control group a carried program runs. */
static bool is_carried(const char *unit, const struct app *apps, size_t nr_apps)
{
	for (size_t i = 0; i < nr_apps; i++) {
		if (apps[i].kind == APP_SERVICE && strcmp(apps[i].name, unit) == 0)
			return true;
		for (size_t j = 0; j < apps[i].nr_pids; j++)
			if (lives_in(apps[i].pids[j], unit))
				return true;
	}
	return false;
}

static bool stops_at_shutdown(const char *unit)
{
	char *const argv[] = { "systemctl", "show", "-P", "DefaultDependencies",
			       (char *)unit, NULL };
	_cleanup_free_ char *output = NULL;

	return command_run(argv, &output) == 0 && strncmp(output, "yes", 3) == 0;
}

/* What runs, a line each that begins with the unit's name; malloc()ed. */
static int list_running(char **output, struct error *err)
{
	char *const argv[] = { "systemctl", "list-units", "--type=service", "--plain",
			       "--no-legend", "--state=active,activating,reloading", NULL };

	return command_run(argv, output) == 0 ? 0 :
	       error_set(err, EIO, "cannot list the running services: "
			 "'systemctl list-units' failed");
}

int quiesce_filters(char ***services, struct error *err)
{
	/* What is ordered before a target is what that is ordered after. */
	char *const argv[] = { "systemctl", "show", "-P", "After", "network-pre.target", NULL };
	_cleanup_free_ char *before = NULL, *running = NULL;
	_cleanup_strv_ char **units = NULL, **list = NULL;
	char *rest, *word;
	int r = 0;

	if (command_run(argv, &before) != 0)
		return error_set(err, EIO, "cannot list what starts before the network: "
				 "'systemctl show network-pre.target' failed");
	rest = before;
	while (r == 0 && (word = strsep(&rest, " \n")))
		r = strv_append(&units, word);
	if (r == 0)
		r = list_running(&running, err);
	rest = running;
	while (r == 0 && (word = strsep(&rest, "\n"))) {
		word[strcspn(word, " ")] = '\0';
		if (*word && strv_has(units, word) && !begins_with_one(word, spared))
			r = strv_append(&list, word);
	}
	if (r == 0)
		*services = steal_ptr(list);
	return r;
}

int quiesce_list(const struct app *apps, size_t nr_apps, char ***services, char ***frozen,
		 struct error *err)
{
	_cleanup_free_ char *output = NULL;
	_cleanup_strv_ char **filters = NULL, **needed = NULL;
	char *rest, *line;
	int r;

	*services = *frozen = NULL;
	r = list_running(&output, err);
	if (r == 0)
		r = quiesce_filters(&filters, err);
	if (r == 0)
		r = needs_of_apps(apps, nr_apps, &needed, err);
	rest = output;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, " ")] = '\0';
		if (!*line || begins_with_one(line, spared) || strv_has(filters, line) ||
		    is_carried(line, apps, nr_apps) || lives_in(getpid(), line) ||
		    !stops_at_shutdown(line))
			continue;
		r = strv_append(begins_with_one(line, logins) || strv_has(needed, line) ?
				frozen : services, line);
	}
	return r;
}

static int systemctl(const char *verb, char **services, struct error *err)
{
	_cleanup_free_ char *output = NULL;
	_cleanup_free_ char **argv = NULL;
	size_t nr = 0;

	while (services && services[nr])
		nr++;
	if (nr == 0)
		return 0;
	argv = calloc(nr + 3, sizeof(*argv));
	if (!argv)
		return -ENOMEM;
	argv[0] = "systemctl";
	argv[1] = (char *)verb;
	memcpy(argv + 2, services, nr * sizeof(*argv));
	if (command_run(argv, &output) != 0)
		return error_set(err, EIO, "systemctl could not %s all services: %.*s", verb,
				 (int)strcspn(output ?: "", "\n"), output ?: "");
	return 0;
}

int quiesce_stop(char **services, struct error *err)
{
	return systemctl("stop", services, err);
}

int quiesce_start(char **services, struct error *err)
{
	return systemctl("start", services, err);
}

/* Whether a service runs that was started; one that does its work and ends has done it. */
static bool is_back(sd_bus *bus, const char *service)
{
	_cleanup_free_ char *path = NULL, *state = NULL, *type = NULL;

	if (bus_unit(bus, service, &path, NULL) < 0 ||
	    bus_string(bus, path, "Unit", "ActiveState", &state) < 0)
		return false;
	if (!strcmp(state, "inactive"))
		return bus_string(bus, path, "Service", "Type", &type) >= 0 &&
		       !strcmp(type, "oneshot");
	return strcmp(state, "failed") != 0;
}

int quiesce_verify(char **services, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *missing = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	size_t len;
	int r;

	r = bus_open(&bus, err);
	if (r < 0)
		return r;
	missing = open_memstream(&text, &len);
	if (!missing)
		return -ENOMEM;
	for (char **s = services; s && *s; s++)
		if (!is_back(bus, *s))
			fprintf(missing, " %s", *s);
	if (fflush(missing))
		return -ENOMEM;
	return len ? error_set(err, ESRCH, "systemctl status%s", text) : 0;
}

#define WATCHDOGS	"service-watchdogs"

int quiesce_watchdogs_off(struct error *err)
{
	char *const ask[] = { "systemctl", WATCHDOGS, NULL };
	char *const order[] = { "systemctl", WATCHDOGS, "no", NULL };
	_cleanup_free_ char *answer = NULL;
	int r;

	/* Whoever has switched them off has a reason. */
	if (command_run(ask, &answer) != 0 || strncmp(answer, "yes", 3))
		return 0;
	r = trail_add(TRAIL_WATCHDOGS, "off");
	if (r == 0)
		r = command_run(order, NULL);
	return r ? error_set(err, r < 0 ? -r : EIO, "systemd's watchdogs of services cannot be "
			     "switched off") : 0;
}

int quiesce_watchdogs_on(void)
{
	char *const order[] = { "systemctl", WATCHDOGS, "yes", NULL };
	int r = command_run(order, NULL);

	return r > 0 ? -EIO : r;
}

static int write_pid(const char *path, pid_t pid)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || dprintf(fd, "%d", pid) < 0 ? -errno : 0;
}

#define OWN_CGROUP	CGROUP_ROOT FREEZER_SPARED

int quiesce_leave(const char *home)
{
	_cleanup_free_ char *now = NULL;
	char path[PATH_MAX];
	int r;

	r = proc_cgroup(getpid(), &now);
	if (r == 0 && strcmp(now, FREEZER_SPARED) == 0) {
		r = path_format(path, sizeof(path), CGROUP_ROOT "%s/cgroup.procs", home);
		if (r == 0)
			r = write_pid(path, getpid());
	}
	/* Somebody may still be in it. */
	if (r == 0)
		rmdir(OWN_CGROUP);
	return r;
}

#define ENTER_TRIES	1000

int quiesce_enter(pid_t pid, struct error *err)
{
	unsigned int tries = ENTER_TRIES;
	int r;

	/* Another of our processes that leaves takes it away, if none is in it at that moment. */
	do {
		if (mkdir(OWN_CGROUP, 0755) < 0 && errno != EEXIST)
			return error_set(err, errno, "cannot make a control group: %s. "
					 "nvwa needs the unified cgroup hierarchy (cgroup2) on "
					 CGROUP_ROOT, strerror(errno));
		r = write_pid(OWN_CGROUP "/cgroup.procs", pid);
	} while ((r == -ENODEV || r == -ENOENT) && --tries);

	return r < 0 ? error_set(err, -r, "cannot enter the control group " OWN_CGROUP ": %s",
				 strerror(-r)) : 0;
}

/* --- file systems ----------------------------------------------------------------- */

/* Is a mount to be seen at its directory, with no other on top of it? */
static bool is_on_top(const struct mountinfos *all, size_t nr)
{
	for (size_t i = nr + 1; i < all->nr; i++)
		if (strcmp(all->list[i].dir, all->list[nr].dir) == 0)
			return false;
	return true;
}

/* Is it the first one to be seen of its file system? */
static bool is_first(const struct mountinfos *all, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (all->list[i].dev == all->list[nr].dev && is_on_top(all, i))
			return false;
	return is_on_top(all, nr);
}

/* On a disk, and written to. Who is served by others is not even looked at. */
static bool is_to_freeze(const struct mountinfo *m)
{
	return m->source[0] == '/' && strncmp(m->data, "rw", 2) == 0 && !mount_is_served(m);
}

static int freeze_mount(const struct mountinfo *m, struct error *err)
{
	_cleanup_close_ int fd = open(m->dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	_cleanup_free_ char *escaped = mountinfo_escape(m->dir);
	int r;

	/* A mount may also be of a file. */
	if (fd < 0)
		return 0;
	r = escaped ? trail_add(TRAIL_MOUNT, "%s", escaped) : -ENOMEM;
	if (r == 0 && ioctl(fd, FIFREEZE, 0) < 0) {
		r = -errno;
		/* It cannot be frozen; or it is, and whoever has done that thaws it. */
		if (r == -EOPNOTSUPP || r == -EBUSY)
			r = trail_take_back();
	}
	return r < 0 ? error_set(err, -r, "cannot freeze the file system on %s: %s", m->dir,
				 strerror(-r)) : 0;
}

static int freeze_mounts(struct error *err)
{
	struct mountinfos all;
	int r;

	r = mountinfo_read(getpid(), &all);
	if (r < 0)
		return error_set(err, -r, "cannot read the mount table: %s", strerror(-r));
	/* Innermost first: a file system may lie in a file on another. */
	for (size_t i = all.nr; r == 0 && i-- > 0;)
		if (is_to_freeze(&all.list[i]) && is_first(&all, i))
			r = freeze_mount(&all.list[i], err);
	mountinfo_free(&all);
	return r;
}

int quiesce_freeze(struct error *err)
{
	int r;

	r = freezer_rest(err);
	if (r < 0)
		return r;
	sync();
	return freeze_mounts(err);
}

int quiesce_thaw(const char *escaped)
{
	_cleanup_free_ char *dir = strdup(escaped);
	_cleanup_close_ int fd = -1;

	if (!dir)
		return -ENOMEM;
	mountinfo_unescape(dir);
	fd = open(dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	if (fd < 0)
		return -errno;
	/* It was not frozen yet. */
	return ioctl(fd, FITHAW, 0) < 0 && errno != EINVAL ? -errno : 0;
}
