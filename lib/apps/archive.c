// SPDX-License-Identifier: GPL-2.0-only
/* Directories put away as tar archives with all attributes, by the tar command. */
#include "lib/apps/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/apps/proc.h"
#include "lib/base/beneath.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

static bool is_empty(int at)
{
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return false;
	}

	return true;
}

/* Options of tar for all that there is of a file. Holes stay holes. */
#define TAR_OPTIONS	\
	(char *)"--xattrs", (char *)"--xattrs-include=*", (char *)"--acls", \
	(char *)"--numeric-owner", (char *)"--sparse"

static int run_tar(char *const argv[], const char *path, struct error *err)
{
	_cleanup_free_ char *output = NULL;
	int r = command_run(argv, &output);

	/* 1: a file changed or vanished while it was read, which only shared directories can. */
	if (r == 0 || r == 1)
		return 0;
	if (r < 0)
		return error_set(err, -r, "cannot run tar: %s", strerror(-r));
	if (r == 128 + SIGXFSZ)
		return error_set(err, EFBIG, "the files in %s have become more than can be carried",
				 path);
	if (strlen(output) > 400)
		output[400] = '\0';
	return error_set(err, EIO, "tar failed on %s: %s", path, output);
}

/* It cannot write more than may be: the limit is inherited, and the signal kills it. */
static int run_tar_limited(char *const argv[], const char *path, const char *tar, uint64_t *left,
			   struct error *err)
{
	struct rlimit before, limit;
	struct stat st;
	int r;

	if (getrlimit(RLIMIT_FSIZE, &before))
		return -errno;
	limit = before;
	if (*left < limit.rlim_cur)
		limit.rlim_cur = *left;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		return -errno;
	r = run_tar(argv, path, err);
	setrlimit(RLIMIT_FSIZE, &before);
	if (!r && stat(tar, &st))
		r = -errno;
	if (!r)
		*left -= (uint64_t)st.st_size < *left ? (uint64_t)st.st_size : *left;
	return r;
}

/* For tar, which is another process. */
static void name_descriptor(int fd, char *path, size_t size)
{
	snprintf(path, size, "/proc/%d/fd/%d", getpid(), fd);
}

/* The directory that a path lies in, as a process sees it (0: as we do). */
static int open_parent(pid_t inside, const char *path, char *name)
{
	_cleanup_close_ int root = beneath_root(inside);

	return root < 0 ? root : beneath_parent(root, path, name);
}

int archive_save(const char *tar, pid_t inside, const char *path, uint64_t *left,
		 struct error *err)
{
	_cleanup_close_ int dir = -1, at = -1;
	char name[NAME_MAX + 1], where[64];
	struct stat st;

	unlink(tar);
	dir = open_parent(inside, path, name);
	if (dir >= 0) {
		at = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (at < 0 || fstat(at, &st))
			dir = -errno;
	}
	if (dir < 0)
		return dir == -ENOENT ? 0 : error_set(err, -dir, "cannot see %s: %s", path,
						      strerror(-dir));
	if (S_ISDIR(st.st_mode) && is_empty(at))
		return 0;
	name_descriptor(dir, where, sizeof(where));

	return run_tar_limited((char *[]){ (char *)"tar", TAR_OPTIONS, (char *)"--one-file-system",
					   (char *)"-cf", (char *)tar, (char *)"-C", where,
					   (char *)"--", name, NULL }, path, tar, left, err);
}

int archive_save_inside(const char *tar, const char *dir, const char *name, const char *skip,
			uint64_t *left, struct error *err)
{
	char exclude[64];
	int r = path_format(exclude, sizeof(exclude), "--exclude=./%s*", skip);

	unlink(tar);
	return r < 0 ? r : run_tar_limited((char *[]){
		(char *)"tar", TAR_OPTIONS, (char *)"--one-file-system", (char *)"--anchored",
		exclude, (char *)"-cf", (char *)tar, (char *)"-C", (char *)dir, (char *)".", NULL,
	}, name, tar, left, err);
}

/* Into the mount namespace of a process, and back: root and working directory become its root. */
static int enter_namespace(int fd)
{
	return setns(fd, CLONE_NEWNS) ? -errno : 0;
}

/* A directory and what is mounted below it, once more, where no symbolic link leads anywhere. */
static int clone_without_links(int dir)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSYMFOLLOW };
	_cleanup_close_ int fd = -1;

	fd = syscall(SYS_open_tree, dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
		     AT_RECURSIVE | AT_NO_AUTOMOUNT);
	if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
			      sizeof(attr)))
		return -errno;

	return steal_fd(fd);
}

/* The kernel gives it only to those who are in the same mount namespace. */
static int clone_inside(pid_t inside, int dir)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	uint64_t our_id, their_id;
	char path[64];
	int fd, r;

	r = proc_ns(0, "mnt", &our_id);
	if (!r)
		r = proc_ns(inside, "mnt", &their_id);
	if (r < 0)
		return r;
	if (our_id == their_id)
		return clone_without_links(dir);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", inside);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (theirs < 0 || ours < 0)
		return -errno;
	r = enter_namespace(theirs);
	if (r < 0)
		return r;
	fd = clone_without_links(dir);
	r = enter_namespace(ours);
	if (r < 0 && fd >= 0)
		close(fd);

	return r < 0 ? r : fd;
}

/*
 * tar walks by names, while programs may run already that may write to the same directories:
 * no link of theirs may lead it out. dir is consumed.
 */
static int unpack(const char *tar, pid_t inside, int dir, const char *path, bool skip_old,
		  struct error *err)
{
	_cleanup_close_ int walked = dir, safe = dir < 0 ? dir : clone_inside(inside, dir);
	char where[64];

	if (safe < 0)
		return error_set(err, -safe, "cannot put %s back: %s", path, strerror(-safe));
	name_descriptor(safe, where, sizeof(where));

	return run_tar((char *[]){ (char *)"tar", TAR_OPTIONS, (char *)"-xpf", (char *)tar,
				   (char *)"-C", where,
				   (char *)(skip_old ? "--skip-old-files" : NULL), NULL },
		       path, err);
}

int archive_restore(const char *tar, pid_t inside, const char *path, struct error *err)
{
	char name[NAME_MAX + 1];

	if (access(tar, F_OK))
		return 0;

	return unpack(tar, inside, open_parent(inside, path, name), path, false, err);
}

int archive_add(const char *tar, const char *dir, struct error *err)
{
	_cleanup_close_ int root = -1;

	if (access(tar, F_OK))
		return 0;
	root = beneath_root(0);

	return unpack(tar, 0, root < 0 ? root : beneath_open(root, dir), dir, true, err);
}
