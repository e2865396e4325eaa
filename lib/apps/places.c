// SPDX-License-Identifier: GPL-2.0-only
/* Directories in memory that an app needs to be there. */
#include "lib/apps/places.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/files.h"
#include "lib/apps/proc.h"
#include "lib/apps/sandbox.h"
#include "lib/apps/unixsock.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

#define PLACES_FILE	"places"

struct saver {
	struct unix_sockets sockets;
	FILE *out;
	char **seen;			/* directories, each once */
};

static int add_directory(struct saver *s, const char *dir)
{
	int r;

	for (char **seen = s->seen; seen && *seen; seen++) {
		if (!strcmp(*seen, dir))
			return 0;
	}
	r = strv_append(&s->seen, dir);
	if (!r)
		r = sandbox_plan_path(dir, s->out, NULL);

	/* The name of something that was removed, or that is another thing on the machine. */
	return r == -ENOENT || r == -ENOTDIR || r == -ENOTSUP ? 0 : r;
}

/* The directory in which a file lies. */
static int add_of_file(struct saver *s, const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!dir)
		return -ENOMEM;
	if (*path != '/' || slash == dir)
		return 0;
	*slash = '\0';

	return add_directory(s, dir);
}

static int look_at_file(void *ctx, const struct open_file *f)
{
	struct saver *s = ctx;
	const struct unix_socket *socket;

	if (S_ISDIR(f->st.st_mode))
		return add_directory(s, f->target);
	if (!S_ISSOCK(f->st.st_mode))
		return add_of_file(s, f->target);
	socket = unix_socket_find(&s->sockets, f->st.st_ino);

	return socket ? add_of_file(s, socket->name) : 0;
}

static int collect(struct saver *s, const struct app *app, const struct app_meta *meta)
{
	int r;

	r = unix_sockets_read(&s->sockets);
	if (!r)
		r = open_files_scan(app->pids, app->nr_pids, look_at_file, s);
	for (size_t i = 0; !r && i < app->nr_pids; i++) {
		char path[64], dir[4096];

		snprintf(path, sizeof(path), "/proc/%d/cwd", app->pids[i]);
		if (!proc_readlink(path, dir, sizeof(dir)))
			r = add_directory(s, dir);
	}
	for (size_t i = 0; !r && i < meta->nr_trees; i++) {
		if (!meta->trees[i].inside)
			r = add_of_file(s, meta->trees[i].path);
	}

	return r;
}

int places_save(const struct app *app, const struct app_meta *meta, const char *dir,
		struct error *err)
{
	_cleanup_free_ char *text = NULL;
	struct saver s = { 0 };
	char path[4200];
	size_t len;
	int r;

	s.out = open_memstream(&text, &len);
	if (!s.out)
		return -ENOMEM;
	r = collect(&s, app, meta);
	if (fclose(s.out) && !r)
		r = -ENOMEM;
	unix_sockets_free(&s.sockets);
	cleanup_strv(&s.seen);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" PLACES_FILE, dir);
	if (!r)
		r = file_write(path, text, len, 0600);

	return r < 0 ? error_set(err, -r, "cannot note the directories that %s uses: %s",
				 app->name, strerror(-r)) : 0;
}

int places_make(const char *dir, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/" PLACES_FILE, dir);
	if (!r)
		r = file_read(path, &text, NULL);
	if (!r)
		r = sandbox_make_nodes(text);

	return r < 0 ? error_set(err, -r, "cannot make directories as in %s: %s", path,
				 strerror(-r)) : 0;
}
