// SPDX-License-Identifier: GPL-2.0-only
/* Stopping services, freezing tasks and file systems: what is not carried. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/apps/cgroup.h"
#include "lib/apps/quiesce.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

#define OWN_CGROUP	"nvwa"
/* Holds PID 1, which is frozen with nobody left to talk to. */
#define INIT_CGROUP	"init.scope"

/* Services that keep the machine itself going; they hold no data of their own. */
static const char *const spared[] = {
	"dbus", "systemd-", "user@", "user-runtime-dir@", "getty@", "serial-getty@", "nvwa-",
};

static bool is_spared(const char *unit)
{
	for (size_t i = 0; i < sizeof(spared) / sizeof(spared[0]); i++)
		if (strncmp(unit, spared[i], strlen(spared[i])) == 0)
			return true;
	return false;
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

/* Does a carried service name this unit among those that take it down with them? */
static bool needed_by_carried(const char *unit, const struct app *apps, size_t nr_apps)
{
	char *const argv[] = { "systemctl", "show", "-P", "RequiredBy", "-P", "BoundBy",
			       "-P", "ConsistsOf", (char *)unit, NULL };
	_cleanup_free_ char *output = NULL;
	char *rest, *word;

	if (command_run(argv, &output) != 0)
		return false;
	rest = output;
	while ((word = strsep(&rest, " \n")))
		if (is_carried(word, apps, nr_apps))
			return true;
	return false;
}

static bool stops_at_shutdown(const char *unit)
{
	char *const argv[] = { "systemctl", "show", "-P", "DefaultDependencies",
			       (char *)unit, NULL };
	_cleanup_free_ char *output = NULL;

	return command_run(argv, &output) == 0 && strncmp(output, "yes", 3) == 0;
}

void quiesce_free(char **services)
{
	if (!services)
		return;
	for (char **s = services; *s; s++)
		free(*s);
	free(services);
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

static bool is_in(char **list, const char *unit)
{
	for (; list && *list; list++) {
		if (strcmp(*list, unit) == 0)
			return true;
	}
	return false;
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
		if (*word && is_in(units, word) && !is_spared(word))
			r = strv_append(&list, word);
	}
	if (r == 0)
		*services = steal_ptr(list);
	return r;
}

int quiesce_list(const struct app *apps, size_t nr_apps, char ***services, struct error *err)
{
	_cleanup_free_ char *output = NULL;
	_cleanup_strv_ char **filters = NULL;
	char **list, *rest, *line;
	size_t nr = 0, room = 2;
	int r;

	r = list_running(&output, err);
	if (r == 0)
		r = quiesce_filters(&filters, err);
	if (r < 0)
		return r;
	for (const char *c = output; *c; c++)
		room += *c == '\n';
	list = calloc(room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	rest = output;
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, " ")] = '\0';
		if (!*line || is_spared(line) || is_in(filters, line) ||
		    is_carried(line, apps, nr_apps) ||
		    lives_in(getpid(), line) || !stops_at_shutdown(line) ||
		    needed_by_carried(line, apps, nr_apps))
			continue;
		list[nr] = strdup(line);
		if (!list[nr++]) {
			quiesce_free(list);
			return -ENOMEM;
		}
	}
	*services = list;
	return 0;
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

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* Where quiesce_enter() came from: a path below CGROUP_ROOT. */
static char home_cgroup[PATH_MAX];

static void remember_cgroup(void)
{
	_cleanup_free_ char *text = NULL;
	char *path;

	/* "0::/path" is the unified hierarchy, see cgroups(7). */
	if (file_read("/proc/self/cgroup", &text, NULL) < 0)
		return;
	path = strstr(text, "0::/");
	if (!path)
		return;
	path += strlen("0::");
	path[strcspn(path, "\n")] = '\0';
	if (path_format(home_cgroup, sizeof(home_cgroup), CGROUP_ROOT "%s/cgroup.procs", path) < 0)
		home_cgroup[0] = '\0';
}

void quiesce_leave(void)
{
	if (home_cgroup[0] && write_text(home_cgroup, "0") == 0)
		rmdir(CGROUP_ROOT "/" OWN_CGROUP);
}

#define ENTER_TRIES	1000

int quiesce_enter(struct error *err)
{
	unsigned int tries = ENTER_TRIES;
	int r;

	remember_cgroup();
	/* Another of our processes that leaves takes it away, if none is in it at that moment. */
	do {
		if (mkdir(CGROUP_ROOT "/" OWN_CGROUP, 0755) < 0 && errno != EEXIST)
			return error_set(err, errno, "cannot make a control group: %s. "
					 "nvwa needs the unified cgroup hierarchy (cgroup2) on "
					 CGROUP_ROOT, strerror(errno));
		r = write_text(CGROUP_ROOT "/" OWN_CGROUP "/cgroup.procs", "0");
	} while ((r == -ENODEV || r == -ENOENT) && --tries);

	return r < 0 ? error_set(err, -r, "cannot enter the control group "
				 CGROUP_ROOT "/" OWN_CGROUP ": %s", strerror(-r)) : 0;
}

static int freeze_tasks(const char *state)
{
	_cleanup_closedir_ DIR *dir = opendir(CGROUP_ROOT);
	struct dirent *entry;
	int result = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];
		int r;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    strcmp(entry->d_name, OWN_CGROUP) == 0 ||
		    strcmp(entry->d_name, INIT_CGROUP) == 0)
			continue;
		r = path_format(path, sizeof(path), CGROUP_ROOT "/%s/cgroup.freeze",
				entry->d_name);
		if (r == 0)
			r = write_text(path, state);
		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

/* The mounted, writable file systems, each once, in the order of mounting. */
struct mounts {
	char **paths;
	dev_t *devices;
	size_t nr;
};

static void mounts_free(struct mounts *m)
{
	for (size_t i = 0; i < m->nr; i++)
		free(m->paths[i]);
	free(m->paths);
	free(m->devices);
}

static int mounts_add(struct mounts *m, const char *path, dev_t device)
{
	char **paths;
	dev_t *devices;

	for (size_t i = 0; i < m->nr; i++)
		if (m->devices[i] == device)
			return 0;
	paths = reallocarray(m->paths, m->nr + 1, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	m->paths = paths;
	devices = reallocarray(m->devices, m->nr + 1, sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	m->devices = devices;
	m->paths[m->nr] = strdup(path);
	if (!m->paths[m->nr])
		return -ENOMEM;
	m->devices[m->nr++] = device;
	return 0;
}

static int mounts_read(struct mounts *m)
{
	_cleanup_mntent_ FILE *table = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	int r = 0;

	if (!table)
		return -errno;
	while (r == 0 && (entry = getmntent(table))) {
		struct stat st;

		if (hasmntopt(entry, "ro") || entry->mnt_fsname[0] != '/' ||
		    stat(entry->mnt_dir, &st) < 0)
			continue;
		r = mounts_add(m, entry->mnt_dir, st.st_dev);
	}
	return r;
}

/* What quiesce_freeze() froze and quiesce_thaw() thaws. */
static struct mounts frozen;
static size_t nr_frozen;

static int freeze_mounts(struct error *err)
{
	int r;

	r = mounts_read(&frozen);
	if (r < 0)
		return error_set(err, -r, "cannot read the mount table: %s", strerror(-r));
	/* Innermost first: a file system may lie in a file on another. */
	nr_frozen = 0;
	for (size_t i = frozen.nr; i-- > 0; nr_frozen++) {
		_cleanup_close_ int fd = open(frozen.paths[i], O_RDONLY | O_CLOEXEC | O_DIRECTORY);

		if (fd < 0)
			continue;
		if (ioctl(fd, FIFREEZE, 0) < 0 && errno != EOPNOTSUPP && errno != EBUSY)
			return error_set(err, errno, "cannot freeze the file system on %s: %s",
					 frozen.paths[i], strerror(errno));
	}
	return 0;
}

static void thaw_mounts(void)
{
	for (size_t i = frozen.nr - nr_frozen; i < frozen.nr; i++) {
		_cleanup_close_ int fd = open(frozen.paths[i], O_RDONLY | O_CLOEXEC | O_DIRECTORY);

		if (fd >= 0)
			ioctl(fd, FITHAW, 0);
	}
	nr_frozen = 0;
	mounts_free(&frozen);
	frozen = (struct mounts){ 0 };
}

int quiesce_freeze(struct error *err)
{
	int r;

	r = freeze_tasks("1");
	if (r < 0)
		return error_set(err, -r, "cannot freeze the other control groups: %s",
				 strerror(-r));
	sync();
	return freeze_mounts(err);
}

void quiesce_thaw(void)
{
	thaw_mounts();
	freeze_tasks("0");
}
