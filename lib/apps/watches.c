// SPDX-License-Identifier: GPL-2.0-only
/* What a process watches by inotify(7) or fanotify(7), as far as it is in memory. */
#include "lib/apps/watches.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* The kernel shows its own form of a device number, with so many bits for the minor one. */
#define MINOR_BITS	20

/* The hexadecimal number behind a key of the line. */
static bool number_of(const char *line, const char *key, uint64_t *value)
{
	const char *at = strstr(line, key);

	return at && sscanf(at + strlen(key), "%" SCNx64, value) == 1;
}

bool watch_parse(const char *line, struct watch *w)
{
	const char *hex = strstr(line, " f_handle:");
	uint64_t dev, len, type;

	if ((strncmp(line, "inotify ", 8) && strncmp(line, "fanotify ", 9)) || !hex ||
	    !number_of(line, " ino:", &w->ino) || !number_of(line, " sdev:", &dev) ||
	    !number_of(line, " fhandle-bytes:", &len) ||
	    !number_of(line, " fhandle-type:", &type) || len > sizeof(w->handle))
		return false;
	hex += strlen(" f_handle:");
	w->dev = makedev(dev >> MINOR_BITS, dev & ((1 << MINOR_BITS) - 1));
	w->type = type;
	w->len = len;
	for (size_t i = 0; i < len; i++) {
		if (sscanf(hex + 2 * i, "%2hhx", &w->handle[i]) != 1)
			return false;
	}

	return true;
}

bool watch_is_kind(const char *target)
{
	return !strcmp(target, "anon_inode:inotify") || !strcmp(target, "anon_inode:[fanotify]");
}

/* The path of what is watched, by way of a directory where its file system is mounted. */
static int path_of(const struct watch *w, const char *dir, char *path, size_t size)
{
	_cleanup_close_ int mount = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file = -1;
	_cleanup_free_ struct file_handle *handle = calloc(1, sizeof(*handle) + w->len);
	char link[64];
	struct stat st;
	int r;

	if (!handle)
		return -ENOMEM;
	if (mount < 0)
		return -errno;
	handle->handle_bytes = w->len;
	handle->handle_type = w->type;
	memcpy(handle->f_handle, w->handle, w->len);
	file = open_by_handle_at(mount, handle, O_PATH | O_CLOEXEC);
	if (file < 0 || fstat(file, &st))
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	r = proc_readlink(link, path, size);
	if (r < 0)
		return r;

	/* Of a file that was removed the name may be another one's by now. */
	return stat(path, &st) || st.st_ino != w->ino || st.st_dev != w->dev ? -ENOENT : 0;
}

static int find_one(const struct watch *w, const struct mountinfos *mounts,
		    int (*fn)(void *ctx, const char *path), void *ctx)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < mounts->nr; i++) {
		const struct mountinfo *m = &mounts->list[i];

		if (m->dev == w->dev && !strcmp(m->type, "tmpfs") &&
		    !path_of(w, m->dir, path, sizeof(path)))
			return fn(ctx, path);
	}

	return 0;
}

int watches_find(pid_t pid, int fd, const struct mountinfos *mounts,
		 int (*fn)(void *ctx, const char *path), void *ctx)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *line, *rest;
	struct watch w;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	r = file_read(path, &text, NULL);
	/* It was closed meanwhile. */
	if (r == -ENOENT)
		return 0;
	rest = text;
	while (!r && (line = strsep(&rest, "\n"))) {
		if (watch_parse(line, &w))
			r = find_one(&w, mounts, fn, ctx);
	}

	return r;
}
