// SPDX-License-Identifier: GPL-2.0-only
/* Paths that others may change while root walks them. */
#include "lib/base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

/* As the kernel's own limit, MAXSYMLINKS. */
#define MAX_LINKS	40

#define OPEN_FLAGS	(O_PATH | O_NOFOLLOW | O_CLOEXEC)

static int open_at(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, OPEN_FLAGS | flags);

	return fd < 0 ? -errno : fd;
}

int beneath_root(pid_t pid)
{
	char path[64] = "/";
	int fd;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/root", pid);
	/* That of a process is a link of the kernel's. */
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Is it a directory in which nobody but us can make, exchange or remove anything? */
static bool is_ours(int dir)
{
	struct stat st;

	return !fstat(dir, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Cut the next component off a path: its length, 0 at the end. */
static size_t next_name(const char **path, const char **name)
{
	size_t len;

	do {
		*name = *path + strspn(*path, "/");
		len = strcspn(*name, "/");
		*path = *name + len;
	} while (len == 1 && **name == '.');

	return len;
}

static bool is_last(const char *path)
{
	const char *name;

	return !next_name(&path, &name);
}

static int walk(int root, int from, const char *path, bool follow, unsigned int nr_links);

/* Go on where a link leads that is found as an open one in the directory dir. */
static int follow_link(int root, int dir, int link, const char *rest, bool follow,
		       unsigned int nr_links)
{
	_cleanup_free_ char *path = NULL;
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstat(link, &st))
		return -errno;
	if (st.st_uid != geteuid() || !is_ours(dir) || nr_links == MAX_LINKS)
		return -ELOOP;
	n = readlinkat(link, "", target, sizeof(target));
	if (n < 0)
		return -errno;
	if (n == sizeof(target))
		return -ENAMETOOLONG;
	if (asprintf(&path, "%.*s/%s", (int)n, target, rest) < 0)
		return -ENOMEM;

	return walk(root, *path == '/' ? root : dir, path, follow, nr_links + 1);
}

/* follow: also a link at the end of the path. */
static int walk(int root, int from, const char *path, bool follow, unsigned int nr_links)
{
	_cleanup_close_ int at = open_at(from, ".", O_DIRECTORY);
	const char *name;
	size_t len;

	if (at < 0)
		return at;
	while ((len = next_name(&path, &name))) {
		_cleanup_close_ int next = -1;
		char copy[NAME_MAX + 1];
		struct stat st;
		int parent;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(copy, name, len);
		copy[len] = '\0';
		if (!strcmp(copy, ".."))
			return -EXDEV;
		next = open_at(at, copy, 0);
		if (next < 0)
			return next;
		if (fstat(next, &st))
			return -errno;
		if (S_ISLNK(st.st_mode) && (follow || !is_last(path)))
			return follow_link(root, at, next, path, follow, nr_links);
		parent = at;
		at = steal_fd(next);
		close(parent);
	}

	return steal_fd(at);
}

int beneath_open(int root, const char *path)
{
	return walk(root, root, path, false, 0);
}

int beneath_parent(int root, const char *path, char name[NAME_MAX + 1])
{
	_cleanup_free_ char *dir = NULL;
	const char *end, *last;
	size_t len;
	int fd;

	for (end = path; !is_last(end);)
		next_name(&end, &last);
	len = end - path;
	while (len && path[len - 1] != '/')
		len--;
	if (end == path || !strncmp(path + len, "..", end - path - len))
		return -EINVAL;
	dir = strndup(path, len);
	if (!dir)
		return -ENOMEM;
	fd = walk(root, root, dir, true, 0);
	if (fd < 0)
		return fd;
	if (snprintf(name, NAME_MAX + 1, "%.*s", (int)(end - path - len), path + len) > NAME_MAX) {
		close(fd);
		return -ENAMETOOLONG;
	}

	return fd;
}

static int make(int dir, const char *name, const struct beneath_node *node)
{
	int r;

	if (S_ISLNK(node->mode) && node->uid != geteuid())
		return -ELOOP;
	if (S_ISLNK(node->mode))
		r = symlinkat(node->target, dir, name);
	else if (S_ISDIR(node->mode))
		r = mkdirat(dir, name, 0);
	else
		r = mknodat(dir, name, node->mode & S_IFMT, node->rdev);

	return r ? -errno : 0;
}

/* Is it what make() has just made? Nobody has anything of that mode for us to take for it. */
static bool is_new(int fd, const struct beneath_node *node)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & S_IFMT) == (node->mode & S_IFMT) &&
	       st.st_uid == geteuid() && (S_ISDIR(st.st_mode) || st.st_nlink == 1) &&
	       (S_ISLNK(st.st_mode) || !(st.st_mode & 0777));
}

int beneath_make(int dir, const char *name, const struct beneath_node *node)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	int r;

	r = make(dir, name, node);
	if (r < 0)
		return r;
	fd = open_at(dir, name, 0);
	if (fd < 0)
		return fd;
	if (!is_new(fd, node))
		return -EPERM;
	if (fchownat(fd, "", node->uid, node->gid, AT_EMPTY_PATH))
		return -errno;
	/* A descriptor that opens nothing takes no fchmod(2). */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	return S_ISLNK(node->mode) || !chmod(path, node->mode & 07777) ? 0 : -errno;
}
