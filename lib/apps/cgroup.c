// SPDX-License-Identifier: GPL-2.0-only
/* Control groups that are made before systemd makes them. */
#include "lib/apps/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* What systemd sets for a unit, see systemd.resource-control(5), with a value of one line. */
static const char *const limits_of_units[] = {
	"cpu.weight", "cpu.idle", "cpu.max", "cpuset.cpus", "cpuset.mems", "io.bfq.weight",
	"memory.min", "memory.low", "memory.high", "memory.max", "memory.swap.max",
	"memory.zswap.max", "memory.oom.group", "pids.max",
};

/* Of MemoryPressureWatch=. */
static const char *const files_of_services[] = { "memory.pressure" };

/* What a control group hands down to those in it. */
static void hand_down(const char *dir, const char *controllers)
{
	_cleanup_free_ char *names = strdup(controllers);
	char path[4200], order[64], *rest = names, *name;

	if (path_format(path, sizeof(path), "%s/cgroup.subtree_control", dir) < 0)
		return;
	while ((name = strsep(&rest, " \n"))) {
		/* One by one: the next kernel need not have all of them. */
		if (*name && !path_format(order, sizeof(order), "+%s", name))
			file_write(path, order, strlen(order), 0644);
	}
}

int cgroup_make(const char *group, const char *controllers, struct error *err)
{
	char dir[4200];
	int r;

	r = path_format(dir, sizeof(dir), CGROUP_ROOT "%s", group);
	for (char *end = dir + strlen(CGROUP_ROOT); !r && *end;) {
		*end = '\0';
		hand_down(dir, controllers);
		*end = '/';
		end += 1 + strcspn(end + 1, "/");
		if (*end) {
			*end = '\0';
			r = dir_make(dir);
			*end = '/';
		}
	}
	if (!r)
		r = dir_make(dir);

	return r < 0 ? error_set(err, -r, "cannot make the control group %s: %s", group,
				 strerror(-r)) : 0;
}

int cgroup_enter(const char *group, pid_t pid)
{
	char path[4200], number[16];
	int r;

	r = path_format(path, sizeof(path), CGROUP_ROOT "%s/cgroup.procs", group);
	if (!r)
		r = path_format(number, sizeof(number), "%d", pid);

	return r < 0 ? r : file_write(path, number, strlen(number), 0644);
}

void cgroup_kill_noted(const char *file)
{
	_cleanup_free_ char *group = NULL;
	char path[4200];

	if (!file_read(file, &group, NULL) &&
	    !path_format(path, sizeof(path), CGROUP_ROOT "%s/cgroup.kill", group))
		file_write(path, "1", 1, 0644);
}

int cgroup_read_limits(const char *group, char **limits)
{
	_cleanup_fclose_ FILE *out = NULL;
	size_t size;

	out = open_memstream(limits, &size);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(limits_of_units) / sizeof(limits_of_units[0]); i++) {
		_cleanup_free_ char *value = NULL;
		char path[4200];
		int r;

		r = path_format(path, sizeof(path), CGROUP_ROOT "%s/%s", group,
				limits_of_units[i]);
		/* One that is not there is one of a controller that is not used. */
		if (!r && !file_read(path, &value, NULL) && *value && *value != '\n')
			fprintf(out, "%s %.*s\n", limits_of_units[i], (int)strcspn(value, "\n"),
				value);
	}

	for (size_t i = 0; i < sizeof(files_of_services) / sizeof(files_of_services[0]); i++) {
		char path[4200];
		struct stat st;

		if (!path_format(path, sizeof(path), CGROUP_ROOT "%s/%s", group,
				 files_of_services[i]) && !stat(path, &st))
			fprintf(out, "owner %s %u %u\n", files_of_services[i], st.st_uid,
				st.st_gid);
	}

	return fflush(out) ? -ENOMEM : 0;
}

static int set_owner(const char *group, const char *words)
{
	unsigned int uid, gid;
	char path[4200], name[64];
	int r;

	if (sscanf(words, "%63s %u %u", name, &uid, &gid) != 3)
		return -EBADMSG;
	r = path_format(path, sizeof(path), CGROUP_ROOT "%s/%s", group, name);

	/* This kernel may have no such file. */
	return r < 0 ? r : chown(path, uid, gid) && errno != ENOENT ? -errno : 0;
}

int cgroup_set_limits(const char *group, const char *limits)
{
	_cleanup_free_ char *copy = strdup(limits);
	char *rest = copy, *line, path[4200];
	int r = copy ? 0 : -ENOMEM;

	while (!r && (line = strsep(&rest, "\n"))) {
		_cleanup_free_ char *now = NULL;
		char *value = strchr(line, ' ');

		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(line, "owner")) {
			r = set_owner(group, value);
			continue;
		}
		r = path_format(path, sizeof(path), CGROUP_ROOT "%s/%s", group, line);
		if (r < 0 || file_read(path, &now, NULL) < 0)
			continue;
		now[strcspn(now, "\n")] = '\0';
		if (strcmp(now, value))
			r = file_write(path, value, strlen(value), 0644);
	}

	return r;
}
