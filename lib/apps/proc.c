// SPDX-License-Identifier: GPL-2.0-only
/* What /proc says of a process. */
#include "lib/apps/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

static int proc_read(pid_t pid, const char *file, char **text)
{
	char path[64];
	int r;

	r = path_format(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (!r)
		r = file_read(path, text, NULL);

	return r == -ENOENT ? -ESRCH : r;
}

int proc_stat_read(pid_t pid, struct proc_stat *st)
{
	_cleanup_free_ char *text = NULL;
	char *open, *close;
	int r;

	r = proc_read(pid, "stat", &text);
	if (r < 0)
		return r;

	/* The name may hold anything, brackets too: it ends at the last one. */
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open)
		return -EBADMSG;
	*close = '\0';
	snprintf(st->comm, sizeof(st->comm), "%s", open + 1);
	if (sscanf(close + 1, " %c %d %d %d %d", &st->state, &st->ppid, &st->pgid, &st->sid,
		   &st->tty) != 5)
		return -EBADMSG;

	return 0;
}

int proc_status_text(pid_t pid, const char *key, char **value)
{
	_cleanup_free_ char *text = NULL;
	size_t len = strlen(key);
	char *line, *rest;
	int r;

	r = proc_read(pid, "status", &text);
	if (r < 0)
		return r;

	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, key, len) || line[len] != ':')
			continue;
		line += len + 1;
		while (isblank((unsigned char)*line))
			line++;
		*value = strdup(line);
		return *value ? 0 : -ENOMEM;
	}

	return -ENOENT;
}

int proc_status_number(pid_t pid, const char *key, int base, uint64_t *value)
{
	_cleanup_free_ char *text = NULL;
	char *end;
	int r;

	r = proc_status_text(pid, key, &text);
	if (r < 0)
		return r;
	*value = strtoull(text, &end, base);

	return end == text ? -EBADMSG : 0;
}

int proc_ns(pid_t pid, const char *name, uint64_t *ino)
{
	char path[64], self[16] = "self";
	struct stat st;
	int r;

	if (pid)
		snprintf(self, sizeof(self), "%d", pid);
	r = path_format(path, sizeof(path), "/proc/%s/ns/%s", self, name);
	if (r < 0)
		return r;
	*ino = 0;
	if (!stat(path, &st))
		*ino = st.st_ino;
	else if (errno != ENOENT)
		return -errno;

	return 0;
}

int proc_is_chrooted(pid_t pid)
{
	char path[64], root[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	r = proc_readlink(path, root, sizeof(root));

	return r < 0 ? r : strcmp(root, "/") != 0;
}

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int append(int **numbers, size_t *nr, int value)
{
	/* Room grows in powers of two. */
	if (!(*nr & (*nr - 1))) {
		int *bigger = realloc(*numbers, (*nr ? *nr * 2 : 1) * sizeof(int));

		if (!bigger)
			return -ENOMEM;
		*numbers = bigger;
	}
	(*numbers)[(*nr)++] = value;

	return 0;
}

int proc_parse_clocks(const char *text, struct proc_clocks *clocks)
{
	long long monotonic, boottime;
	long monotonic_ns, boottime_ns;

	/* See time_namespaces(7): seconds, which may be negative, and nanoseconds. */
	if (sscanf(text, "monotonic %lld %ld boottime %lld %ld", &monotonic, &monotonic_ns,
		   &boottime, &boottime_ns) != 4)
		return -EINVAL;
	clocks->monotonic = monotonic * 1000000000LL + monotonic_ns;
	clocks->boottime = boottime * 1000000000LL + boottime_ns;

	return 0;
}

int proc_clocks(pid_t pid, struct proc_clocks *clocks)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r;

	*clocks = (struct proc_clocks){ 0 };
	r = pid ? path_format(path, sizeof(path), "/proc/%d/timens_offsets", pid) :
		  path_format(path, sizeof(path), "/proc/self/timens_offsets");
	if (!r)
		r = file_read(path, &text, NULL);
	/* Where the kernel has no time namespaces, nobody has that file. */
	if (r == -ENOENT)
		return access("/proc/self/timens_offsets", F_OK) ? 0 : -ESRCH;

	return r < 0 ? r : proc_parse_clocks(text, clocks);
}

int proc_numbers(const char *path, int **numbers, size_t *nr)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	_cleanup_free_ int *list = NULL;
	struct dirent *entry;
	size_t have = 0;
	int r;

	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;

	while ((entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		r = append(&list, &have, atoi(entry->d_name));
		if (r < 0)
			return r;
	}
	if (have)
		qsort(list, have, sizeof(int), compare_ints);

	*numbers = steal_ptr(list);
	*nr = have;
	return 0;
}

/* Children of all threads of one process. */
static int append_children(pid_t pid, int **pids, size_t *nr)
{
	_cleanup_free_ int *tids = NULL;
	size_t nr_tids;
	char path[80];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	r = proc_numbers(path, &tids, &nr_tids);
	if (r < 0)
		return r;

	for (size_t i = 0; i < nr_tids; i++) {
		_cleanup_free_ char *text = NULL;
		char *at, *end;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tids[i]);
		r = file_read(path, &text, NULL);
		if (r == -ENOENT || r == -ESRCH)
			continue;
		if (r < 0)
			return r;
		for (at = text;; at = end) {
			long child = strtol(at, &end, 10);

			if (end == at)
				break;
			r = append(pids, nr, child);
			if (r < 0)
				return r;
		}
	}

	return 0;
}

int proc_tree(pid_t pid, pid_t **pids, size_t *nr)
{
	_cleanup_free_ int *list = NULL;
	size_t have = 0;
	int r;

	_Static_assert(sizeof(pid_t) == sizeof(int), "process ids are kept as int");

	r = append(&list, &have, pid);
	for (size_t i = 0; !r && i < have; i++) {
		r = append_children(list[i], &list, &have);
		/* A child that ended meanwhile is no error, the process itself is. */
		if (r == -ESRCH && i)
			r = 0;
	}
	if (r < 0)
		return r;

	*pids = steal_ptr(list);
	*nr = have;
	return 0;
}

int proc_readlink(const char *path, char *buf, size_t size)
{
	ssize_t n = readlink(path, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	buf[n] = '\0';

	return 0;
}

int proc_cgroup(pid_t pid, char **path)
{
	_cleanup_free_ char *text = NULL;
	char *line, *rest;
	int r;

	r = proc_read(pid, "cgroup", &text);
	if (r < 0)
		return r;

	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		/* Version 2 is hierarchy 0 without controllers. */
		if (strncmp(line, "0::/", 4))
			continue;
		*path = strdup(line + 3);
		return *path ? 0 : -ENOMEM;
	}

	return -ENOTSUP;
}

int proc_boot_id(char *id, size_t size)
{
	_cleanup_free_ char *text = NULL;
	size_t used = 0;
	int r = file_read("/proc/sys/kernel/random/boot_id", &text, NULL);

	for (const char *c = text; !r && *c && *c != '\n' && used + 1 < size; c++) {
		if (*c != '-')
			id[used++] = *c;
	}
	id[used] = '\0';

	return r;
}
