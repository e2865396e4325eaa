// SPDX-License-Identifier: GPL-2.0-only
/* Names of network links, by their hardware addresses. */
#include "lib/net/links.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

char *links_name(char *line)
{
	line[strcspn(line, " \t")] = '\0';

	return line;
}

bool links_is_device(const char *sysfs, const char *name)
{
	char path[PATH_MAX];

	return !path_format(path, sizeof(path), "%s/%s/device", sysfs, name) &&
	       !access(path, F_OK);
}

bool links_missing(const char *file, const char *sysfs)
{
	_cleanup_free_ char *names = NULL;
	char path[PATH_MAX], *rest, *name;

	if (file_read(file, &names, NULL) < 0)
		return false;
	rest = names;
	while ((name = strsep(&rest, "\n"))) {
		if (*links_name(name) &&
		    (path_format(path, sizeof(path), "%s/%s", sysfs, name) < 0 ||
		     access(path, F_OK)))
			return true;
	}

	return false;
}

/* Does this link drive a device, and is this its address? */
static bool has_address(const char *sysfs, const char *name, const char *address)
{
	_cleanup_free_ char *own = NULL;
	char path[PATH_MAX];

	if (!links_is_device(sysfs, name) ||
	    path_format(path, sizeof(path), "%s/%s/address", sysfs, name) < 0 ||
	    file_read(path, &own, NULL) < 0)
		return false;
	own[strcspn(own, "\n")] = '\0';

	return !strcasecmp(own, address);
}

/* The one link that has this address: how many there are. */
static int find_link(const char *sysfs, const char *address, char name[IFNAMSIZ])
{
	_cleanup_closedir_ DIR *dir = opendir(sysfs);
	struct dirent *d;
	int nr = 0;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || !has_address(sysfs, d->d_name, address) ||
		    path_format(name, IFNAMSIZ, "%s", d->d_name) < 0)
			continue;
		nr++;
	}

	return nr;
}

int links_plan(const char *text, const char *sysfs, struct link_rename **plan, size_t *nr)
{
	_cleanup_free_ struct link_rename *list = NULL;
	size_t lines = 1;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	list = calloc(lines, sizeof(*list));
	if (!list)
		return -ENOMEM;

	*nr = 0;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		struct link_rename *l = &list[*nr];
		char address[64];

		_Static_assert(IFNAMSIZ == 16, "a name has 15 characters");
		/* Not all of them have an address of their own. */
		if (sscanf(line, "%15[^ \t\n] %63[^ \t\n]", l->to, address) == 2 &&
		    find_link(sysfs, address, l->from) == 1 && strcmp(l->from, l->to))
			(*nr)++;
	}
	*plan = steal_ptr(list);

	return 0;
}

/* SIOCSIFNAME of netdevice(7). */
static int rename_link(int sock, const char *from, const char *to)
{
	struct ifreq request = { 0 };

	strncpy(request.ifr_name, from, IFNAMSIZ - 1);
	strncpy(request.ifr_newname, to, IFNAMSIZ - 1);

	return ioctl(sock, SIOCSIFNAME, &request) ? -errno : 0;
}

int links_rename(const char *text)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_free_ struct link_rename *plan = NULL;
	int r, renamed = 0;
	size_t nr;

	if (sock < 0)
		return -errno;
	r = links_plan(text, "/sys/class/net", &plan, &nr);
	/* The name that one is to have may be that of another, which is to have another one. */
	for (size_t i = 0; !r && i < nr; i++) {
		char between[IFNAMSIZ] = "";

		path_format(between, sizeof(between), "nvwa%zu", i);
		r = rename_link(sock, plan[i].from, between);
	}
	for (size_t i = 0; !r && i < nr; i++) {
		char between[IFNAMSIZ] = "";

		path_format(between, sizeof(between), "nvwa%zu", i);
		/* One that is down, and so in no line, may have it: then udev is to see to it. */
		if (!rename_link(sock, between, plan[i].to))
			renamed++;
		else
			r = rename_link(sock, between, plan[i].from);
	}

	return r < 0 ? r : renamed;
}
