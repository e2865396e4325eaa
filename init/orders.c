// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record's file "adopt": what must be done before the machine's init
 * runs, a line each:
 *   last_pid N		the last process id that was given out
 *   rlimit NUMBER SOFT HARD	a limit of PID 1, which all programs inherit
 *   run_flags FLAGS	mount(2)'s for the tmpfs on /run
 *   run_size BYTES	its size
 *   sysctl PATH VALUE	PATH below /proc/sys
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

static int write_sysctl(const char *path, const char *value)
{
	char full[300];
	int r = strstr(path, "..") ? -EINVAL :
		path_format(full, sizeof(full), "/proc/sys/%s", path);

	return r ? r : file_write(full, value, strlen(value), 0644);
}

static int set_last_pid(const char *value)
{
	_cleanup_free_ char *now = NULL;

	/* Never lower: what runs here has its number already. */
	if (!file_read("/proc/sys/kernel/ns_last_pid", &now, NULL) && atoi(now) >= atoi(value))
		return 0;
	return write_sysctl("kernel/ns_last_pid", value);
}

static int set_limit(const char *value)
{
	unsigned long long soft, hard;
	int number;

	if (sscanf(value, "%d %llu %llu", &number, &soft, &hard) != 3)
		return -EINVAL;
	return setrlimit(number, &(struct rlimit){ soft, hard }) ? -errno : 0;
}

static int carry_out(char *line)
{
	char *rest = line + strcspn(line, " "), *value;

	if (*rest)
		*rest++ = '\0';
	if (!strcmp(line, "last_pid"))
		return set_last_pid(rest);
	if (!strcmp(line, "sysctl")) {
		value = rest + strcspn(rest, " ");
		if (!*value)
			return -EINVAL;
		*value++ = '\0';
		return write_sysctl(rest, value);
	}
	if (!strcmp(line, "rlimit"))
		return set_limit(rest);
	return strncmp(line, "run_", strlen("run_")) ? -EINVAL : 0;
}

/* A failure here is said and no more: whoever needs the thing will find out what it means. */
void orders_carry_out(const char *orders)
{
	_cleanup_free_ char *text = strdup(orders);
	char *line, *save = NULL;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		_cleanup_free_ char *copy = strdup(line);
		int r = carry_out(line);

		if (r)
			log_error("\"%s\" failed: %s", copy ? copy : line, strerror(-r));
	}
}

/* The number that an order gives, or that without it. */
static unsigned long long order_number(const char *orders, const char *name,
				       unsigned long long without)
{
	const char *order = strstr(orders, name);

	if (!order || (order != orders && order[-1] != '\n'))
		return without;
	return strtoull(order + strlen(name), NULL, 10);
}

void orders_limit_run(const char *orders)
{
	/* Without orders as systemd mounts it. */
	unsigned long flags = order_number(orders, "run_flags ",
					   MS_NOSUID | MS_NODEV | MS_STRICTATIME);
	unsigned long long size = order_number(orders, "run_size ", 0);
	char options[128] = "mode=0755,size=20%,nr_inodes=800k";

	if (size)
		path_format(options, sizeof(options), "mode=0755,size=%llu,nr_inodes=800k", size);
	if (mount("tmpfs", "/run", "tmpfs", MS_REMOUNT | flags, options))
		log_error("/run cannot be limited (%s): %s", options, strerror(errno));
}
