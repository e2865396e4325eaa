// SPDX-License-Identifier: GPL-2.0-only
/* Orders to nvwa-init, from what this machine is. */
#include "tool/orders.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
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
#include "lib/net/links.h"
#include "tool/carry.h"

/* Of orders_prepare(). */
#define SYSCTLS	CARRY_OUT_DIR "/sysctls"

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

/* File systems that nvwa-init mounts if they are mounted here, for systemd to find them there. */
static const struct {
	const char *type, *dir;
	bool any_options;	/* or only if it has those that systemd and the kernel give it */
} mounted[] = {
	{ "cgroup2", "/sys/fs/cgroup", true },
	{ "devpts", "/dev/pts", true },
	{ "tmpfs", "/dev/shm", true },
	{ "tmpfs", "/run/lock", true },
	{ "tmpfs", "/tmp", true },
	{ "hugetlbfs", "/dev/hugepages", false },
	{ "mqueue", "/dev/mqueue", false },
	{ "debugfs", "/sys/kernel/debug", false },
	{ "tracefs", "/sys/kernel/tracing", false },
	{ "securityfs", "/sys/kernel/security", false },
	{ "bpf", "/sys/fs/bpf", true },
	{ "pstore", "/sys/fs/pstore", false },
};

/* Options that are flags of mount(2), or that a file system shows but need not be told. */
static bool is_plain_option(const char *option, size_t len)
{
	static const char *const plain[] = {
		"rw", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime",
		"pagesize=2M", "seclabel", "inode64",
	};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (len == strlen(plain[i]) && !strncmp(option, plain[i], len))
			return true;
	}
	return false;
}

static bool is_size(const char *option)
{
	return !strncmp(option, "size=", 5) || !strncmp(option, "nr_inodes=", 10);
}

/* The options that a file system itself has to be told, with a comma before each. */
static void put_data(FILE *out, const struct mntent *m, const struct statvfs *st)
{
	const bool is_tmpfs = !strcmp(m->mnt_type, "tmpfs");
	const char *option = m->mnt_opts;

	for (size_t len; *option; option += len + (option[len] == ',')) {
		len = strcspn(option, ",");
		if (!is_plain_option(option, len) && !(is_tmpfs && is_size(option)))
			fprintf(out, ",%.*s", (int)len, option);
	}
	/* Shares of RAM, as it is when they are mounted; 0 is no limit. */
	if (is_tmpfs)
		fprintf(out, ",size=%llu,nr_inodes=%llu",
			(unsigned long long)st->f_blocks * st->f_frsize,
			(unsigned long long)st->f_files);
}

bool orders_mount(const struct mntent *m)
{
	const char *option = m->mnt_opts;
	size_t i = 0, len, nr = sizeof(mounted) / sizeof(mounted[0]);

	while (i < nr && (strcmp(m->mnt_type, mounted[i].type) ||
			  strcmp(m->mnt_dir, mounted[i].dir)))
		i++;
	if (i == nr || hasmntopt(m, "ro"))
		return false;
	for (; !mounted[i].any_options && *option; option += len + (option[len] == ',')) {
		len = strcspn(option, ",");
		if (!is_plain_option(option, len))
			return false;
	}
	return true;
}

static void order_mounts(FILE *orders)
{
	_cleanup_mntent_ FILE *table = setmntent("/proc/1/mounts", "re");
	struct mntent *m;
	struct statvfs st;

	while (table && (m = getmntent(table))) {
		if (!orders_mount(m) || statvfs(m->mnt_dir, &st) < 0)
			continue;
		fprintf(orders, "mount %s %s %lu ", m->mnt_type, m->mnt_dir,
			mount_flags(st.f_flag));
		put_data(orders, m, &st);
		fputc('\n', orders);
	}
}

/* --- sysctls --------------------------------------------------------------- */

/*
 * Not to be set by nvwa-init: what the memory that is there yet cannot give or gives itself,
 * what nvwa has lent, and what cannot be taken back before all modules are in.
 */
static bool is_for_later(const char *path)
{
	static const char *const later[] = {
		"vm/nr_hugepages", "vm/nr_hugepages_mempolicy", "vm/nr_overcommit_hugepages",
		"vm/min_free_kbytes", "vm/overcommit_memory", "kernel/modules_disabled",
		"kernel/kexec_load_disabled", "kernel/ns_last_pid",
	};

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (!strcmp(path, later[i]))
			return true;
	}
	return false;
}

static void order_sysctl(FILE *orders, const char *path)
{
	_cleanup_free_ char *value = NULL;
	const char *name = path + strlen("/proc/sys/");
	size_t len;

	/* There are some that can only be written. */
	if (is_for_later(name) || file_read(path, &value, &len) < 0 || len == 0)
		return;
	if (value[len - 1] == '\n')
		value[--len] = '\0';
	if (len && !strchr(value, '\n'))
		fprintf(orders, "sysctl %s %s\n", name, value);
}

static void order_pattern(FILE *orders, const char *names)
{
	char pattern[PATH_MAX];
	glob_t found;

	if (path_format(pattern, sizeof(pattern), "/proc/sys/%s", names) < 0 ||
	    glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		order_sysctl(orders, found.gl_pathv[i]);
	globfree(&found);
}

/* A key of sysctl.d(5): with dots, unless the first separator is a slash; it may be a pattern. */
static void order_key(FILE *orders, char *key)
{
	if (key[strcspn(key, "./")] == '.') {
		for (char *c = key; *c; c++) {
			if (*c == '.' || *c == '/')
				*c = *c == '.' ? '/' : '.';
		}
	}
	if (!strstr(key, ".."))
		order_pattern(orders, key);
}

static bool same_value(const char *path, const char *other)
{
	_cleanup_free_ char *x = NULL, *y = NULL;

	return file_read(path, &x, NULL) == 0 && file_read(other, &y, NULL) == 0 && !strcmp(x, y);
}

/*
 * One setting of a link. What it has from the kernel the next kernel knows best; but a link has
 * those of "default" from when its driver was loaded, before nvwa-init knows any.
 */
static void order_link(FILE *orders, const char *family, const char *link, const char *name,
		       const char *so_far)
{
	char path[PATH_MAX], common[PATH_MAX];

	if (path_format(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, link,
			name) < 0 ||
	    path_format(common, sizeof(common), "/proc/sys/net/%s/conf/default/%s", family,
			name) < 0)
		return;
	if (same_value(path, common)) {
		path_format(common, sizeof(common), "sysctl net/%s/conf/default/%s ", family, name);
		if (!strstr(so_far, common))
			return;
	}
	order_sysctl(orders, path);
}

static void order_links(FILE *orders, const char *so_far)
{
	static const char *const families[] = { "ipv4", "ipv6" };
	_cleanup_closedir_ DIR *links = opendir("/sys/class/net");
	struct dirent *link, *entry;
	char path[PATH_MAX];

	while (links && (link = readdir(links))) {
		if (!links_is_device("/sys/class/net", link->d_name))
			continue;
		for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
			_cleanup_closedir_ DIR *dir = NULL;

			if (path_format(path, sizeof(path), "/proc/sys/net/%s/conf/%s",
					families[i], link->d_name) == 0)
				dir = opendir(path);
			while (dir && (entry = readdir(dir)))
				order_link(orders, families[i], link->d_name, entry->d_name,
					   so_far);
		}
	}
}

int orders_prepare(void)
{
	char *const argv[] = { "/usr/lib/systemd/systemd-sysctl", "--cat-config", NULL };
	_cleanup_free_ char *config = NULL, *text = NULL, *so_far = NULL;
	_cleanup_fclose_ FILE *orders = NULL;
	char *rest, *line;
	size_t len;

	orders = open_memstream(&text, &len);
	if (!orders)
		return -ENOMEM;
	order_sysctl(orders, "/proc/sys/kernel/hostname");
	rest = command_run(argv, &config) == 0 ? config : NULL;
	while ((line = strsep(&rest, "\n"))) {
		char *equals = strchr(line, '=');

		line += strspn(line, " \t");
		if (!equals || strchr("#;", *line))
			continue;
		line += *line == '-';
		/* Blanks may stand before the sign. */
		while (equals > line && strchr(" \t", equals[-1]))
			equals--;
		*equals = '\0';
		order_key(orders, line);
	}
	if (fflush(orders))
		return -ENOMEM;
	so_far = strdup(text);
	if (!so_far)
		return -ENOMEM;
	order_links(orders, so_far);
	return fflush(orders) ? -ENOMEM : file_write(SYSCTLS, text, len, 0600);
}

int orders_write(const struct app *apps, size_t nr_apps, unsigned int ahead_seconds)
{
	_cleanup_free_ char *text = NULL, *generators = NULL, *sysctls = NULL;
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
	/* One of them is the largest PID. */
	if (file_read(SYSCTLS, &sysctls, NULL) == 0)
		fputs(sysctls, f);
	fprintf(f, "last_pid %d\n", last);
	fprintf(f, "run_size %llu\n", (unsigned long long)run.f_blocks * run.f_frsize);
	fprintf(f, "run_inodes %llu\n", (unsigned long long)run.f_files);
	fprintf(f, "run_flags %lu\n", mount_flags(run.f_flag));
	fprintf(f, "dev_flags %lu\n", mount_flags(dev.f_flag));
	fprintf(f, "sysctl vm/overcommit_memory 1\n");
	if (ahead_seconds)
		fprintf(f, "ahead %u\n", ahead_seconds);
	order_mounts(f);
	if (!file_read(CARRY_OUT_DIR "/" FIRST_GENERATORS, &generators, NULL)) {
		for (rest = generators; (name = strsep(&rest, "\n"));) {
			if (*name)
				fprintf(f, "mask_generator %s\n", name);
		}
	}
	if (fflush(f))
		return -ENOMEM;
	return file_write(CARRY_OUT_DIR "/" CARRY_ADOPT, text, len, 0600);
}
