// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record's file "adopt": what must be done before the machine's init
 * runs, a line each:
 *   last_pid N		the last process id that was given out
 *   dev_flags FLAGS	mount(2)'s for /dev
 *   run_flags FLAGS	the same for the tmpfs on /run
 *   run_size BYTES	its size
 *   run_inodes NUMBER	how many files it may have
 *   sysctl PATH VALUE	PATH below /proc/sys; those of the network when links have their names
 *   mask_generator NAME	one of systemd's
 *   mount TYPE DIR FLAGS DATA	a file system of the kernel's, as for mount(2), but
 *			that DATA has a comma before each option
 *   ahead SECONDS	programs go on before the machine's init does: wait as long for each
 *			next one
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/apps/first.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

static int write_sysctl(const char *path, const char *value)
{
	_cleanup_free_ char *now = NULL;
	size_t len = strlen(value);
	char full[300];
	int r = strstr(path, "..") ? -EINVAL :
		path_format(full, sizeof(full), "/proc/sys/%s", path);

	/* Some cannot be written, and need not be. */
	if (!r && !file_read(full, &now, NULL) && !strncmp(now, value, len) &&
	    strchr("\n", now[len]))
		return 0;

	/* What a module has that is not there yet systemd-sysctl sets, when all are. */
	return r || access(full, F_OK) ? r : file_write(full, value, len, 0644);
}

static int set_last_pid(const char *value)
{
	_cleanup_free_ char *now = NULL;

	/* Never lower: what runs here has its number already. */
	if (!file_read("/proc/sys/kernel/ns_last_pid", &now, NULL) && atoi(now) >= atoi(value))
		return 0;
	return write_sysctl("kernel/ns_last_pid", value);
}

/*
 * systemd would start a program for each of them. Those in the kernel's own file systems,
 * which are moved to the root later on, are mounted at once; those in the root when it is there.
 */
static int mount_one(const char *what, bool in_root)
{
	static const char *const moved[] = { "/dev/", "/run/", "/sys/" };
	char type[32], dir[64], data[512] = "";
	bool is_moved = false;
	unsigned long flags;

	if (sscanf(what, "%31s %63s %lu %511s", type, dir, &flags, data) < 3 || dir[0] != '/' ||
	    strstr(dir, ".."))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++)
		is_moved |= !strncmp(dir, moved[i], strlen(moved[i]));
	if (is_moved == in_root)
		return 0;
	if (mkdir(dir, 0755) && errno != EEXIST && errno != EPERM)
		return -errno;

	/* A comma goes before each option. */
	return mount(type, dir, type, flags, data[0] ? data + 1 : NULL) ? -errno : 0;
}

/* See systemd.generator(7). */
static int mask_generator(const char *name)
{
	char path[PATH_MAX];
	int r;

	if (strchr(name, '/'))
		return -EINVAL;
	r = dir_make(FIRST_MASKS);
	if (!r)
		r = path_format(path, sizeof(path), FIRST_MASKS "/%s", name);
	if (!r && symlink("/dev/null", path) && errno != EEXIST)
		r = -errno;

	return r;
}

static int carry_out(char *line, bool in_root)
{
	char *rest = line + strcspn(line, " "), *value;

	if (*rest)
		*rest++ = '\0';
	if (!strcmp(line, "mount"))
		return mount_one(rest, in_root);
	/* By then network links have their names. All others come before the root. */
	if (in_root != (!strcmp(line, "sysctl") && !strncmp(rest, "net/", 4)))
		return 0;
	if (!strcmp(line, "last_pid"))
		return set_last_pid(rest);
	if (!strcmp(line, "mask_generator"))
		return mask_generator(rest);
	if (!strcmp(line, "sysctl")) {
		value = rest + strcspn(rest, " ");
		if (!*value)
			return -EINVAL;
		*value++ = '\0';
		return write_sysctl(rest, value);
	}
	/* The others are carried out by orders_mounts() and ahead_run(). */
	return strncmp(line, "run_", strlen("run_")) && strncmp(line, "dev_", strlen("dev_")) &&
		strcmp(line, "ahead") ? -EINVAL : 0;
}

/* A failure here is said and no more: whoever needs the thing will find out what it means. */
void orders_carry_out(const char *orders, bool in_root)
{
	_cleanup_free_ char *text = strdup(orders);
	char *line, *save = NULL;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		_cleanup_free_ char *copy = strdup(line);
		int r = carry_out(line, in_root);

		if (r)
			log_error("\"%s\" failed: %s", copy ? copy : line, strerror(-r));
	}
}

unsigned long long order_number(const char *orders, const char *name,
				unsigned long long without)
{
	const char *order = orders;

	/* It may be part of another one as well. */
	while ((order = strstr(order, name)) && order != orders && order[-1] != '\n')
		order++;
	return order ? strtoull(order + strlen(name), NULL, 10) : without;
}

void orders_mounts(const char *orders)
{
	/* Without orders as systemd mounts it. */
	unsigned long flags = order_number(orders, "run_flags ",
					   MS_NOSUID | MS_NODEV | MS_STRICTATIME);
	unsigned long long size = order_number(orders, "run_size ", 0);
	unsigned long long inodes = order_number(orders, "run_inodes ", 800 << 10);
	unsigned long dev_flags = order_number(orders, "dev_flags ", 0);
	char options[128] = "mode=0755,size=20%,nr_inodes=800k";

	if (dev_flags && mount(NULL, "/dev", NULL, MS_REMOUNT | MS_BIND | dev_flags, NULL))
		log_error("/dev keeps flags of its own: %s", strerror(errno));
	if (size)
		path_format(options, sizeof(options), "mode=0755,size=%llu,nr_inodes=%llu", size,
			    inodes);
	if (mount("tmpfs", "/run", "tmpfs", MS_REMOUNT | flags, options))
		log_error("/run cannot be limited (%s): %s", options, strerror(errno));
}
