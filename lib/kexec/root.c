// SPDX-License-Identifier: GPL-2.0-only
/* Finding the root file system of the running machine. */
#include "lib/kexec/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/superblock.h"
#include "lib/base/param.h"

#define SUPPORTED "Supported today are ext4, xfs and btrfs on a plain disk or partition."

/* The line of /proc/self/mountinfo (proc_pid_mountinfo(5)) of a mount. */
struct mount {
	char dev[32], point[PATH_MAX], flags[128], type[64], source[PATH_MAX], super[512];
};

static int find_mount(const char *point, struct mount *found)
{
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;
	int r = file_read("/proc/self/mountinfo", &text, NULL);
	bool seen = false;

	if (r < 0)
		return r;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *rest = strstr(line, " - ");
		struct mount m;

		if (rest &&
		    sscanf(line, "%*d %*d %31s %*s %4095s %127s", m.dev, m.point, m.flags) == 3 &&
		    !strcmp(m.point, point) &&
		    sscanf(rest, " - %63s %4095s %511s", m.type, m.source, m.super) == 3) {
			*found = m;
			seen = true;
		}
	}

	return seen ? 0 : -ENODATA;
}

/* btrfs has device numbers of its own: there the source says which block device it is. */
static int find_device(const struct mount *m, struct root *root)
{
	char link[PATH_MAX + 16], *name;
	struct stat st;
	int r;

	if (!strncmp(m->dev, "0:", 2)) {
		if (stat(m->source, &st))
			return -errno;
		if (!S_ISBLK(st.st_mode))
			return -ENOTBLK;
		r = path_format(link, sizeof(link), "/sys/dev/block/%u:%u",
				major(st.st_rdev), minor(st.st_rdev));
	} else {
		r = path_format(link, sizeof(link), "/sys/dev/block/%s", m->dev);
	}
	if (r < 0)
		return r;
	if (!realpath(link, root->sysfs))
		return -errno;

	name = strrchr(root->sysfs, '/') + 1;
	return path_format(root->name, sizeof(root->name), "%s", name);
}

static int read_superblock(const struct root *root, struct superblock *sb)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r = path_format(path, sizeof(path), "/dev/%s", root->name);

	if (r < 0)
		return r;
	/* Names in sysfs have ! where those in /dev have a slash. */
	for (char *p = path; *p; p++) {
		if (*p == '!')
			*p = '/';
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : superblock_read(fd, sb);
}

/* nvwa-init goes by the UUID: refuse when it is not one device's alone. */
static int check_unique(const struct root *root, struct error *err)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/class/block");
	struct dirent *d;

	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		struct root other = { 0 };
		struct superblock sb;

		if (d->d_name[0] == '.' || !strcmp(d->d_name, root->name) ||
		    path_format(other.name, sizeof(other.name), "%s", d->d_name) ||
		    read_superblock(&other, &sb) || strcmp(sb.uuid, root->uuid))
			continue;
		return error_set(err, ENOTUNIQ, "/dev/%s and /dev/%s hold file systems with the "
				 "same UUID %s, so that the next kernel could mount the wrong one. "
				 "Give one of them another UUID.", root->name, other.name,
				 root->uuid);
	}

	return 0;
}

/* Options that the mount must have from the start; systemd adds those of /etc/fstab later. */
static int find_data(const struct mount *m, struct root *root)
{
	_cleanup_free_ char *cmdline = NULL, *flags = NULL;
	const char *subvol = strstr(m->super, "subvolid=");
	int r = file_read("/proc/cmdline", &cmdline, NULL);

	if (!r)
		r = param_value(cmdline, "rootflags", &flags);
	if (r)
		return r;
	if (strcmp(root->type, "btrfs"))
		subvol = NULL;
	if (flags && (strstr(flags, "subvol=") || strstr(flags, "subvolid=")))
		subvol = NULL;

	return path_format(root->data, sizeof(root->data), "%s%s%.*s", flags ? flags : "",
			   flags && subvol ? "," : "",
			   subvol ? (int)strcspn(subvol, ",") : 0, subvol ? subvol : "");
}

int root_find(struct root *root, struct error *err)
{
	struct root found = { 0 };
	struct superblock sb;
	struct mount m;
	int r;

	if (!find_mount("/usr", &m))
		return error_set(err, EOPNOTSUPP, "/usr is a file system of its own, which init "
				 "would need from the start. This is not supported yet.");
	r = find_mount("/", &m);
	if (r < 0)
		return error_set(err, -r, "The root file system cannot be found (%s).",
				 strerror(-r));
	if (strcmp(m.type, "ext4") && strcmp(m.type, "xfs") && strcmp(m.type, "btrfs"))
		return error_set(err, EOPNOTSUPP, "The root file system is %s (%s). " SUPPORTED,
				 m.type, m.source);
	snprintf(found.type, sizeof(found.type), "%.15s", m.type);
	snprintf(found.flags, sizeof(found.flags), "%s", m.flags);

	r = find_device(&m, &found);
	if (r < 0)
		return error_set(err, -r, "The device of the root file system, %s, cannot be found "
				 "(%s).", m.source, strerror(-r));
	if (strstr(found.sysfs, "/virtual/block/"))
		return error_set(err, EOPNOTSUPP, "The root file system lies on /dev/%s, which is "
				 "no disk of its own (device mapper, RAID, loop, or memory). "
				 SUPPORTED, found.name);

	r = read_superblock(&found, &sb);
	if (r < 0 || strcmp(sb.type, found.type))
		return error_set(err, r < 0 ? -r : ENODATA, "No %s file system can be read from "
				 "/dev/%s (%s).", found.type, found.name,
				 r < 0 ? strerror(-r) : "another one is there");
	if (sb.nr_devices != 1)
		return error_set(err, EOPNOTSUPP, "The root file system lies on %llu devices. "
				 SUPPORTED, (unsigned long long)sb.nr_devices);
	snprintf(found.uuid, sizeof(found.uuid), "%s", sb.uuid);

	r = check_unique(&found, err);
	if (!r)
		r = find_data(&m, &found);
	if (!r)
		*root = found;
	return r;
}

int root_format(const struct root *root, char **text)
{
	return asprintf(text, "type %s\nname %s\nuuid %s\nflags %s\ndata %s\n", root->type,
			root->name, root->uuid, root->flags, root->data) < 0 ? -ENOMEM : 0;
}
