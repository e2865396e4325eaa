// SPDX-License-Identifier: GPL-2.0-only
/* The files of /tmp, where that is a tmpfs. */
#include "lib/apps/tmp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/apps/archive.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* The private directories of services, which are carried with them. */
#define PRIVATE		"systemd-private-"

/* Is there anything that a boot would not make? Those for the X11 protocols hold but sockets. */
static bool is_used(const char *path)
{
	static const char *const made[] = {
		".", "..", ".X11-unix", ".ICE-unix", ".XIM-unix", ".font-unix",
	};
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t i = 0, nr = sizeof(made) / sizeof(made[0]);

		while (i < nr && strcmp(entry->d_name, made[i]) != 0)
			i++;
		if (i == nr && strncmp(entry->d_name, PRIVATE, strlen(PRIVATE)) != 0)
			return true;
	}
	return false;
}

/*
 * What users have mounted below /tmp is not seen in a copy of the mount. It could be a file
 * system of a program's, which answers to its owner only, and to nobody if that stands still.
 * Returns a descriptor and its path, or 0 if there is nothing to carry.
 */
static int open_tmp(char *path, size_t size)
{
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	int r;

	if (statfs(TMP_DIR, &fs) || fs.f_type != TMPFS_MAGIC)
		return 0;
	fd = syscall(SYS_open_tree, AT_FDCWD, TMP_DIR, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Not "self": tar goes there as well. */
	r = path_format(path, size, "/proc/%d/fd/%d/.", getpid(), fd);
	if (r < 0 || !is_used(path))
		return r;
	return steal_fd(fd);
}

int tmp_size_add(struct tree_size *size)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	int r = open_tmp(path, sizeof(path));

	if (r <= 0)
		return r;
	fd = r;
	return tree_size_add(path, TMP_DIR, PRIVATE, size);
}

int tmp_save(const char *tar, uint64_t *left, struct error *err)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	int r = open_tmp(path, sizeof(path));

	if (r < 0)
		return error_set(err, -r, "cannot see the files in " TMP_DIR ": %s", strerror(-r));
	if (!r)
		return 0;
	fd = r;
	return archive_save_inside(tar, path, TMP_DIR, PRIVATE, left, err);
}

int tmp_restore(const char *tar, struct error *err)
{
	return archive_add(tar, TMP_DIR, err);
}
