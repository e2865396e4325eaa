// SPDX-License-Identifier: GPL-2.0-only
/* How much there is below a directory, before it is put into an archive. */
#include "lib/apps/tree-size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Header, extended header with times and attributes, and its own header, 512 bytes each. */
#define TAR_HEADERS	1536
#define TAR_BLOCK	512

struct walk {
	struct tree_size *size;
	dev_t dev;
	const char *skip;
	unsigned int depth;
	char path[4096];
};

/* Names are their owners' choice, and end on terminals and in logs. */
static void copy_name(char *to, size_t size, const char *from)
{
	size_t i;

	for (i = 0; i < size - 1 && from[i]; i++)
		to[i] = from[i] < ' ' || from[i] == 0x7f ? '?' : from[i];
	to[i] = '\0';
}

static void set_file(struct tree_file *f, const struct walk *w, const struct stat *st,
		     uint64_t bytes)
{
	copy_name(f->path, sizeof(f->path), w->path);
	f->bytes = bytes;
	f->uid = st->st_uid;
}

static void note_large(const struct walk *w, const struct stat *st, uint64_t bytes)
{
	struct tree_file *list = w->size->largest;
	size_t i = TREE_LARGEST;

	while (i > 0 && list[i - 1].bytes < bytes)
		i--;
	if (i == TREE_LARGEST)
		return;
	memmove(&list[i + 1], &list[i], (TREE_LARGEST - 1 - i) * sizeof(*list));
	set_file(&list[i], w, st, bytes);
}

/* Holes take no room, and what has several names is there once. */
static uint64_t content(const struct stat *st)
{
	uint64_t there = (uint64_t)st->st_blocks * 512, whole = st->st_size;

	if (!S_ISREG(st->st_mode))
		return 0;
	if (there < whole)
		whole = there;
	if (st->st_nlink > 1)
		whole /= st->st_nlink;
	return (whole + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
}

static int add_one(const struct walk *w, const struct stat *st)
{
	uint64_t bytes = content(st);

	if (w->size->nr >= TREE_FILES_MOST) {
		set_file(&w->size->crowded, w, st, bytes);
		return -E2BIG;
	}
	w->size->nr++;
	w->size->bytes += TAR_HEADERS + bytes;
	note_large(w, st, bytes);
	return 0;
}

static int walk_dir(struct walk *w, int fd);

/* An entry of the directory at, whose path is in w and is put back. */
static int walk_entry(struct walk *w, int at, const char *name)
{
	size_t len = strlen(w->path);
	struct stat st;
	int r, sub;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) || st.st_dev != w->dev)
		return 0;
	snprintf(w->path + len, sizeof(w->path) - len, "/%s", name);
	r = add_one(w, &st);
	if (!r && S_ISDIR(st.st_mode)) {
		sub = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = walk_dir(w, sub);
	}
	w->path[len] = '\0';
	return r;
}

/* Closes fd. */
static int walk_dir(struct walk *w, int fd)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		close(fd);
		return -errno;
	}
	if (w->depth == TREE_DEPTH_MOST)
		return -ELOOP;
	w->depth++;
	while (!r && (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") ||
		    (w->depth == 1 && w->skip && !strncmp(d->d_name, w->skip, strlen(w->skip))))
			continue;
		r = walk_entry(w, dirfd(dir), d->d_name);
	}
	w->depth--;
	return r;
}

int tree_size_add(const char *dir, const char *name, const char *skip, struct tree_size *size)
{
	struct walk w = { .size = size, .skip = skip };
	struct stat st;
	int fd, r;

	r = path_format(w.path, sizeof(w.path), "%s", name);
	if (r < 0)
		return r;
	if (lstat(dir, &st))
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	w.dev = st.st_dev;
	r = add_one(&w, &st);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : walk_dir(&w, fd);
}

static void add_text(char *text, size_t len, const char *between, const struct tree_file *f)
{
	const struct passwd *owner = getpwuid(f->uid);
	size_t at = strlen(text);

	snprintf(text + at, len - at, "%s%s (%llu MiB, of %s)", between, f->path,
		 (unsigned long long)(f->bytes + (1 << 20) - 1) >> 20,
		 owner ? owner->pw_name : "an unknown user");
}

void tree_size_say(const struct tree_size *size, char *text, size_t len)
{
	text[0] = '\0';
	for (size_t i = 0; i < TREE_LARGEST && size->largest[i].bytes; i++)
		add_text(text, len, i ? ", " : "", &size->largest[i]);
}
