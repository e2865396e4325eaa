// SPDX-License-Identifier: GPL-2.0-only
/* The open files of a process tree, and which of them come from outside. */
#include "lib/apps/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/apps/mountinfo.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Ids of the mounts of a process's namespace. */
static int read_mounts(pid_t pid, int **ids, size_t *nr)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ int *list = NULL;
	size_t lines = 0, have = 0;
	char *line, *rest;
	int r;

	r = mountinfo_text(pid, &text);
	if (r < 0)
		return r;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	list = malloc((lines + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (*line && have < lines)
			list[have++] = atoi(line);
	}

	*ids = steal_ptr(list);
	*nr = have;
	return 0;
}

static int read_fdinfo(pid_t pid, int fd, struct open_file *f)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *line, *rest;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	r = file_read(path, &text, NULL);
	if (r < 0)
		return r;
	f->mount = -1;
	f->flags = 0;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		sscanf(line, "flags: %o", &f->flags);
		sscanf(line, "mnt_id: %d", &f->mount);
	}

	return 0;
}

static bool has_path(const struct open_file *f)
{
	/* Anonymous memory files look like a path but have none. */
	return f->target[0] == '/' && strncmp(f->target, "/memfd:", 7);
}

static int read_open_file(pid_t pid, int fd, const int *mounts, size_t nr_mounts,
			  struct open_file *f)
{
	char path[64];
	int r;

	f->pid = pid;
	f->fd = fd;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	r = proc_readlink(path, f->target, sizeof(f->target));
	if (!r && stat(path, &f->st))
		r = -errno;
	if (!r)
		r = read_fdinfo(pid, fd, f);
	if (r < 0)
		return r;

	f->foreign = has_path(f);
	for (size_t i = 0; f->foreign && i < nr_mounts; i++)
		f->foreign = mounts[i] != f->mount;

	return 0;
}

static int scan_process(pid_t pid, open_file_fn fn, void *ctx)
{
	_cleanup_free_ struct open_file *f = malloc(sizeof(*f));
	_cleanup_free_ int *mounts = NULL, *fds = NULL;
	size_t nr_mounts, nr_fds;
	char path[64];
	int r;

	if (!f)
		return -ENOMEM;
	r = read_mounts(pid, &mounts, &nr_mounts);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	r = proc_numbers(path, &fds, &nr_fds);
	for (size_t i = 0; !r && i < nr_fds; i++) {
		r = read_open_file(pid, fds[i], mounts, nr_mounts, f);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (!r)
			r = fn(ctx, f);
	}

	return r;
}

int open_files_scan(const pid_t *pids, size_t nr, open_file_fn fn, void *ctx)
{
	for (size_t i = 0; i < nr; i++) {
		int r = scan_process(pids[i], fn, ctx);

		/* Only the main process must be there. */
		if ((r == -ESRCH || r == -ENOENT) && i)
			r = 0;
		if (r)
			return r;
	}

	return 0;
}

bool unix_socket_is_journal(const struct unix_sockets *all, const struct unix_socket *s)
{
	const struct unix_socket *peer = s->peer ? unix_socket_find(all, s->peer) : NULL;

	return s->type == SOCK_STREAM && peer && !strcmp(peer->name, JOURNAL_SOCKET);
}

struct finder {
	const struct app *app;
	struct unix_sockets sockets;
	struct externals *found;
};

static struct external *known_external(struct finder *finder, const struct open_file *f,
				       enum external_kind kind)
{
	for (size_t i = 0; i < finder->found->nr; i++) {
		struct external *e = &finder->found->list[i];

		if (e->kind == kind && e->ino == f->st.st_ino &&
		    (kind == EXTERNAL_JOURNAL || e->mount == f->mount))
			return e;
	}

	return NULL;
}

static int add_external(struct finder *finder, const struct open_file *f, enum external_kind kind)
{
	struct externals *all = finder->found;
	struct external *e = known_external(finder, f, kind);

	if (e)
		return 0;
	e = realloc(all->list, (all->nr + 1) * sizeof(*e));
	if (!e)
		return -ENOMEM;
	all->list = e;
	e += all->nr;
	e->kind = kind;
	/* The main process comes first, and its descriptors in order. */
	e->fd = f->pid == finder->app->pid ? f->fd : -1;
	e->mount = f->mount;
	e->flags = f->flags;
	e->ino = f->st.st_ino;
	e->path = strdup(f->target);
	if (!e->path)
		return -ENOMEM;
	all->nr++;

	return 0;
}

static int look_at_file(void *ctx, const struct open_file *f)
{
	struct finder *finder = ctx;
	const struct unix_socket *s;

	if (f->foreign)
		return add_external(finder, f, EXTERNAL_FILE);
	if (S_ISSOCK(f->st.st_mode) && finder->app->kind == APP_SERVICE) {
		s = unix_socket_find(&finder->sockets, f->st.st_ino);
		if (s && unix_socket_is_journal(&finder->sockets, s))
			return add_external(finder, f, EXTERNAL_JOURNAL);
	}

	return 0;
}

int externals_find(const struct app *app, struct externals *found, struct error *err)
{
	struct finder finder = { .app = app, .found = found };
	int r;

	memset(found, 0, sizeof(*found));
	r = unix_sockets_read(&finder.sockets);
	if (!r)
		r = open_files_scan(app->pids, app->nr_pids, look_at_file, &finder);
	unix_sockets_free(&finder.sockets);
	if (r < 0) {
		externals_free(found);
		return error_set(err, -r, "cannot look at the open files of %s: %s", app->name,
				 strerror(-r));
	}

	return 0;
}

void externals_free(struct externals *externals)
{
	for (size_t i = 0; i < externals->nr; i++)
		free(externals->list[i].path);
	free(externals->list);
	memset(externals, 0, sizeof(*externals));
}
