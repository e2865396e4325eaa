// SPDX-License-Identifier: GPL-2.0-only
/* Where the name of a file leads, by any spelling. */
#include "lib/apps/names.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/apps/proc.h"
#include "lib/base/file.h"

/* As the kernel's MAXSYMLINKS. */
#define MAX_LINKS	40

struct walk {
	const char *root;
	char *path;		/* what was followed so far: "", or "/a/b" */
	size_t size;
	char rest[PATH_MAX];	/* what was not */
	unsigned int nr_links;
	name_link_fn fn;
	void *ctx;
};

/* The link that the path so far has at its end gives way to what it says. */
static int take_link(struct walk *w, const char *where)
{
	char target[PATH_MAX], rest[PATH_MAX];
	int r;

	if (++w->nr_links > MAX_LINKS)
		return -ELOOP;
	r = w->fn ? w->fn(w->ctx, w->path) : 0;
	if (!r)
		r = proc_readlink(where, target, sizeof(target));
	if (!r)
		r = path_format(rest, sizeof(rest), "%s/%s", target, w->rest);
	if (r)
		return r;
	strcpy(w->rest, rest);
	*(*target == '/' ? w->path : strrchr(w->path, '/')) = '\0';

	return 0;
}

/* One part of the name goes from the rest to the path. */
static int take_part(struct walk *w)
{
	char *part = w->rest + strspn(w->rest, "/"), *end = part + strcspn(part, "/");
	char where[PATH_MAX + 64], *slash = strrchr(w->path, '/');
	size_t have = strlen(w->path);
	struct stat st;
	int r = 0;

	if (end - part == 2 && !strncmp(part, "..", 2)) {
		if (slash)
			*slash = '\0';
	} else if (end != part && !(end - part == 1 && *part == '.')) {
		r = path_format(w->path + have, w->size - have, "/%.*s", (int)(end - part), part);
		if (!r)
			r = path_format(where, sizeof(where), "%s%s", w->root, w->path);
		if (!r && lstat(where, &st))
			r = -errno;
		if (r < 0)
			return r;
		memmove(w->rest, end, strlen(end) + 1);
		if (S_ISLNK(st.st_mode))
			return take_link(w, where);
		return *w->rest && !S_ISDIR(st.st_mode) ? -ENOTDIR : 0;
	}
	memmove(w->rest, end, strlen(end) + 1);

	return 0;
}

int name_follow(const char *root, const char *name, name_link_fn fn, void *ctx, char *path,
		size_t size)
{
	struct walk w = { .root = root, .path = path, .size = size, .fn = fn, .ctx = ctx };
	int r;

	if (!size)
		return -ENAMETOOLONG;
	*path = '\0';
	r = path_format(w.rest, sizeof(w.rest), "%s", name);
	while (!r && *w.rest)
		r = take_part(&w);
	if (!r && !*path)
		r = path_format(path, size, "/");

	return r;
}
