// SPDX-License-Identifier: GPL-2.0-only
/* Orders to nvwa-init, from what this machine is. */
#include "tool/orders.h"

#include <dirent.h>
#include <errno.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "lib/apps/first.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tool/carry.h"

static pid_t max_pid(pid_t a, pid_t b)
{
	return a > b ? a : b;
}

/* Threads have their numbers from where processes have theirs. */
static pid_t last_thread(pid_t pid)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	struct dirent *entry;
	pid_t last = pid;
	char path[64];

	if (path_format(path, sizeof(path), "/proc/%d/task", pid) < 0)
		return last;
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)))
		last = max_pid(last, atoi(entry->d_name));
	return last;
}

/* As statvfs(3) tells them (ST_*), for mount(2) (MS_*); most have the same bits. */
static unsigned long mount_flags(unsigned long st)
{
	return (st & (ST_NOSUID | ST_NODEV | ST_NOEXEC)) | (st & ST_NOATIME ? MS_NOATIME : 0) |
	       (st & ST_RELATIME ? MS_RELATIME : MS_STRICTATIME);
}

/* One of the file systems of the kernel's own that systemd has a mount unit for. */
static bool is_kernels_own(const struct mntent *m)
{
	static const char *const places[][2] = {
		{ "hugetlbfs", "/dev/hugepages" }, { "mqueue", "/dev/mqueue" },
		{ "debugfs", "/sys/kernel/debug" }, { "tracefs", "/sys/kernel/tracing" },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!strcmp(m->mnt_type, places[i][0]) && !strcmp(m->mnt_dir, places[i][1]))
			return true;
	}
	return false;
}

/* Mounted with nothing but what those units and the kernel itself give it. */
static bool has_usual_options(const struct mntent *m)
{
	static const char *const usual[] = {
		"rw", "nosuid", "nodev", "noexec", "relatime", "pagesize=2M", NULL,
	};
	char *rest = m->mnt_opts, *option;

	while ((option = strsep(&rest, ","))) {
		size_t i = 0;

		while (usual[i] && strcmp(option, usual[i]))
			i++;
		if (!usual[i])
			return false;
	}
	return true;
}

/*
 * File systems of the kernel's own that are mounted here as systemd does it, which is to find them
 * there already. With other options, or nowhere, they are left to it.
 */
static void order_mounts(FILE *orders)
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	struct statvfs st;

	while (table && (m = getmntent(table))) {
		if (is_kernels_own(m) && has_usual_options(m) && statvfs(m->mnt_dir, &st) == 0)
			fprintf(orders, "mount %s %s %lu\n", m->mnt_type, m->mnt_dir,
				mount_flags(st.f_flag));
	}
	if (table)
		endmntent(table);
}

int orders_write(const struct app *apps, size_t nr_apps)
{
	_cleanup_free_ char *text = NULL, *generators = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	struct statvfs run, dev;
	char *rest, *name;
	pid_t last = 0;
	size_t len;

	for (size_t i = 0; i < nr_apps; i++)
		for (size_t j = 0; j < apps[i].nr_pids; j++)
			last = max_pid(last, last_thread(apps[i].pids[j]));
	if (statvfs("/run", &run) < 0 || statvfs("/dev", &dev) < 0)
		return -errno;
	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	fprintf(f, "last_pid %d\n", last);
	fprintf(f, "run_size %llu\n", (unsigned long long)run.f_blocks * run.f_frsize);
	fprintf(f, "run_inodes %llu\n", (unsigned long long)run.f_files);
	fprintf(f, "run_flags %lu\n", mount_flags(run.f_flag));
	fprintf(f, "dev_flags %lu\n", mount_flags(dev.f_flag));
	fprintf(f, "sysctl vm/overcommit_memory 1\n");
	order_mounts(f);
	if (!file_read(CARRY_OUT_DIR "/" FIRST_GENERATORS, &generators, NULL)) {
		for (rest = generators; (name = strsep(&rest, "\n"));) {
			if (*name)
				fprintf(f, "mask_generator %s\n", name);
		}
	}
	if (fflush(f))
		return -ENOMEM;
	return file_write(CARRY_OUT_DIR "/" CARRY_ADOPT, text, len, 0644);
}
