// SPDX-License-Identifier: GPL-2.0-only
/* What an app needs to be there in memory. */
#include "lib/apps/places.h"

#include <errno.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/apps/acl.h"
#include "lib/apps/files.h"
#include "lib/apps/mountinfo.h"
#include "lib/apps/names.h"
#include "lib/apps/proc.h"
#include "lib/apps/runfiles.h"
#include "lib/apps/sandbox.h"
#include "lib/apps/unixsock.h"
#include "lib/apps/watches.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

/* Files in the directory of an app: how to make nodes, their lists, and what is copied. */
#define PLACES_FILE	"places"
#define ACLS_FILE	"acls"
#define NAMES_FILE	"runfiles"
#define COPIES_FILE	"runfiles.data"

struct text {
	FILE *out;
	char *text;
	size_t len;
};

struct saver {
	const struct app *app;
	struct unix_sockets sockets;
	struct mountinfos mounts;	/* of the machine */
	struct text plan, acls, names;
	char **seen;			/* paths of the plan, each once */
	char **listed;			/* directories whose lists are known, each once */
	char **sockets_in;		/* directories */
	char **left_out;		/* carried in another way */
	uid_t *uids;
	size_t nr_uids;
	void (*too_large)(void *ctx, const char *path);
	void *ctx;
};

static bool is_in(char *const *list, const char *text)
{
	for (; list && *list; list++) {
		if (!strcmp(*list, text))
			return true;
	}

	return false;
}

/* The tmpfs on which a path lies, NULL if it lies on something else. */
static const struct mountinfo *tmpfs_of(const struct saver *s, const char *path)
{
	const struct mountinfo *m = mountinfo_of_path(&s->mounts, path);

	return m && !strcmp(m->type, "tmpfs") ? m : NULL;
}

/* Also of the directories that lead there. */
static int add_acls(struct saver *s, const struct mountinfo *m, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *end = copy + strlen(m->dir); !r && *end;) {
		char cut;

		end += 1 + strcspn(end + 1, "/");
		cut = *end;
		*end = '\0';
		if (!is_in(s->listed, copy)) {
			r = strv_append(&s->listed, copy);
			if (!r)
				r = acl_put(s->acls.out, "/proc/1/root", copy);
		}
		*end = cut;
	}

	return r;
}

/* A directory, or another thing without content, is to be there, and what leads to it. */
static int add_path(struct saver *s, const char *path)
{
	const struct mountinfo *m = tmpfs_of(s, path);
	int r;

	if (!m || is_in(s->seen, path))
		return 0;
	r = strv_append(&s->seen, path);
	if (!r)
		r = add_acls(s, m, path);
	if (!r)
		r = sandbox_plan_path(path, s->plan.out, NULL);

	/*
	 * The name of something that was removed, that is another thing on the machine, or where
	 * a link stands that is not root's: no file that is open has such a name.
	 */
	return r == -ENOENT || r == -ENOTDIR || r == -ENOTSUP || r == -ELOOP || r == -EXDEV ||
	       r == -EINVAL ? 0 : r;
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

	return add_path(s, dir);
}

/* --- local sockets ------------------------------------------------------------- */

struct namer {
	struct saver *s;
	char root[64];		/* what the name is followed from */
	char prefix[4096];	/* and where that is */
};

/* A link in memory has to lead there again; what a user could make root does not. */
static int add_link(void *ctx, const char *path)
{
	struct namer *n = ctx;
	char full[8192];
	struct stat st;

	if (path_format(full, sizeof(full), "%s%s", n->prefix, path) || lstat(full, &st) ||
	    st.st_uid)
		return 0;

	return add_path(n->s, full);
}

/* Does the name lead to the socket's file? If so all on the way is added: 1. */
static int try_name(struct namer *n, const struct unix_socket *socket, const char *name)
{
	char path[4096], where[4200], full[8192], *slash;
	struct stat st;
	int r;

	if (name_follow(n->root, name, NULL, NULL, path, sizeof(path)) ||
	    path_format(where, sizeof(where), "%s%s", n->root, path) || lstat(where, &st) ||
	    (uint32_t)st.st_ino != socket->file_ino || st.st_dev != socket->file_dev)
		return 0;
	r = name_follow(n->root, name, add_link, n, path, sizeof(path));
	if (!r)
		r = path_format(full, sizeof(full), "%s%s", n->prefix, path);
	if (r < 0)
		return r;
	slash = strrchr(full, '/');
	*slash = '\0';
	if (slash == full)
		return 1;
	r = add_path(n->s, full);
	if (!r && tmpfs_of(n->s, full) && !is_in(n->s->sockets_in, full))
		r = strv_append(&n->s->sockets_in, full);

	return r < 0 ? r : 1;
}

/* A name is as bind(2) got it: by any way, from any directory, and before any chroot(2). */
static int add_socket(struct saver *s, pid_t pid, const struct unix_socket *socket)
{
	struct namer of_process = { .s = s }, of_machine = { .s = s };
	struct namer *namers[] = { &of_process, &of_machine };
	char link[64], cwd[4096], names[2][4300];
	size_t nr = 0;
	int r = 0;

	snprintf(of_process.root, sizeof(of_process.root), "/proc/%d/root", pid);
	if (!socket->file_ino ||
	    proc_readlink(of_process.root, of_process.prefix, sizeof(of_process.prefix)))
		return 0;
	if (!strcmp(of_process.prefix, "/"))
		of_process.prefix[0] = '\0';
	snprintf(link, sizeof(link), "/proc/%d/cwd", pid);
	if (socket->name[0] != '/' && !proc_readlink(link, cwd, sizeof(cwd)))
		snprintf(names[nr++], sizeof(names[0]), "%s/%s", cwd, socket->name);
	snprintf(names[nr++], sizeof(names[0]), "/%s", socket->name);
	for (size_t i = 0; !r && i < nr * 2; i++)
		r = try_name(namers[i % 2], socket, names[i / 2]);

	/* If its file was removed CRIU still needs the directory. */
	return r ? (r < 0 ? r : 0) : add_of_file(s, socket->name);
}

/* --- files --------------------------------------------------------------------- */

static int add_name(struct saver *s, const char *path)
{
	_cleanup_free_ char *escaped = mountinfo_escape(path);

	if (!escaped)
		return -ENOMEM;
	fprintf(s->names.out, "%s\n", escaped);

	return add_of_file(s, path);
}

/* What is watched must be there, whosever it is; what is in a carried directory comes with that. */
static int add_watched(void *ctx, const char *path)
{
	struct saver *s = ctx;
	struct stat st;

	if (lstat(path, &st))
		return 0;
	if (!S_ISREG(st.st_mode))
		return add_path(s, path);
	for (char **p = s->left_out; p && *p; p++) {
		if (path_is_below(path, *p))
			return 0;
	}

	return add_name(s, path) ?: strv_append(&s->left_out, path);
}

static int add_open(struct saver *s, const struct open_file *f)
{
	int r;

	if (!tmpfs_of(s, f->target))
		return 0;
	if (!S_ISREG(f->st.st_mode) && !S_ISSOCK(f->st.st_mode))
		return add_path(s, f->target);
	r = add_of_file(s, f->target);

	/* Its content is carried as memory; a socket is made by whom it is bound to. */
	return r < 0 || is_in(s->left_out, f->target) ? r : strv_append(&s->left_out, f->target);
}

static int look_at_file(void *ctx, const struct open_file *f)
{
	struct saver *s = ctx;
	const struct unix_socket *socket;

	if (f->target[0] == '/')
		return add_open(s, f);
	if (watch_is_kind(f->target))
		return watches_find(f->pid, f->fd, &s->mounts, add_watched, s);
	socket = S_ISSOCK(f->st.st_mode) ? unix_socket_find(&s->sockets, f->st.st_ino) : NULL;

	return socket ? add_socket(s, f->pid, socket) : 0;
}

/* Files may be mapped that are not open any more. */
static int look_at_maps(struct saver *s, pid_t pid)
{
	_cleanup_free_ char *maps = NULL;
	char path[64], *line, *rest;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	r = file_read(path, &maps, NULL);
	rest = maps;
	while (!r && (line = strsep(&rest, "\n"))) {
		const char *name = strchr(line, '/');

		if (!name || !tmpfs_of(s, name))
			continue;
		r = add_of_file(s, name);
		if (!r && !is_in(s->left_out, name))
			r = strv_append(&s->left_out, name);
	}

	return r == -ENOENT || r == -ESRCH ? 0 : r;
}

static int add_uids(struct saver *s, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	unsigned int uids[4];

	if (proc_status_text(pid, "Uid", &text) ||
	    sscanf(text, "%u %u %u %u", &uids[0], &uids[1], &uids[2], &uids[3]) != 4)
		return 0;
	for (size_t i = 0; i < 4; i++) {
		uid_t *more = reallocarray(s->uids, s->nr_uids + 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->uids = more;
		/* Most processes are of one user, and of the same. */
		if (!s->nr_uids || s->uids[s->nr_uids - 1] != uids[i])
			s->uids[s->nr_uids++] = uids[i];
	}

	return 0;
}

static int look_at_process(struct saver *s, pid_t pid)
{
	static const char *const links[] = { "cwd", "root" };
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(links) / sizeof(links[0]); i++) {
		char path[64], dir[4096];

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, links[i]);
		if (!proc_readlink(path, dir, sizeof(dir)))
			r = add_path(s, dir);
	}
	if (!r)
		r = look_at_maps(s, pid);

	return r < 0 ? r : add_uids(s, pid);
}

static int take_found(void *ctx, enum runfile what, const char *path)
{
	struct saver *s = ctx;

	if (what == RUNFILE_NODE)
		return add_path(s, path);
	if (what == RUNFILE_COPY)
		return add_name(s, path);
	if (s->too_large)
		s->too_large(s->ctx, path);

	return 0;
}

/* Is it mounted in the next kernel, before anybody needs it? /tmp is carried as a whole. */
static bool comes_back(const char *dir)
{
	_cleanup_mntent_ FILE *fstab = NULL;
	struct mntent m;
	char line[4096];

	if (path_is_below(dir, "/run") || path_is_below(dir, "/dev/shm"))
		return true;
	fstab = strcmp(dir, "/tmp") ? setmntent("/etc/fstab", "re") : NULL;
	while (fstab && getmntent_r(fstab, &m, line, sizeof(line))) {
		if (!strcmp(m.mnt_dir, dir))
			return true;
	}

	return false;
}

static int search(struct saver *s)
{
	struct runfiles_search search = {
		.root = "", .pids = s->app->pids, .nr_pids = s->app->nr_pids, .uids = s->uids,
		.nr_uids = s->nr_uids, .marked = s->sockets_in, .left_out = s->left_out,
		.fn = take_found, .ctx = s,
	};
	int r = 0;

	for (size_t i = 0; !r && i < s->mounts.nr; i++) {
		const struct mountinfo *m = &s->mounts.list[i];

		if (!strcmp(m->type, "tmpfs") && comes_back(m->dir))
			r = runfiles_find(&search, m->dir);
	}

	return r;
}

/* --- all of it ----------------------------------------------------------------- */

static int collect(struct saver *s, const struct app_meta *meta)
{
	const struct app *app = s->app;
	int r;

	r = mountinfo_read(1, &s->mounts);
	if (!r)
		r = unix_sockets_read(&s->sockets);
	for (size_t i = 0; !r && i < meta->nr_trees; i++) {
		if (meta->trees[i].inside)
			continue;
		r = add_path(s, meta->trees[i].path);
		if (!r)
			r = strv_append(&s->left_out, meta->trees[i].path);
	}
	if (!r)
		r = open_files_scan(app->pids, app->nr_pids, look_at_file, s);
	for (size_t i = 0; !r && i < app->nr_pids; i++)
		r = look_at_process(s, app->pids[i]);

	return r < 0 ? r : search(s);
}

static int saver_begin(struct saver *s)
{
	struct text *const texts[] = { &s->plan, &s->acls, &s->names };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		texts[i]->out = open_memstream(&texts[i]->text, &texts[i]->len);
		if (!texts[i]->out)
			return -ENOMEM;
	}

	return 0;
}

static int text_end(struct text *t)
{
	FILE *out = steal_ptr(t->out);

	return out && fclose(out) ? -ENOMEM : 0;
}

static void saver_free(struct saver *s)
{
	struct text *const texts[] = { &s->plan, &s->acls, &s->names };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		text_end(texts[i]);
		free(texts[i]->text);
	}
	unix_sockets_free(&s->sockets);
	mountinfo_free(&s->mounts);
	cleanup_strv(&s->seen);
	cleanup_strv(&s->listed);
	cleanup_strv(&s->sockets_in);
	cleanup_strv(&s->left_out);
	free(s->uids);
}

static int write_text(struct text *t, const char *dir, const char *name)
{
	char path[4200];
	int r = text_end(t);

	if (!r)
		r = path_format(path, sizeof(path), "%s/%s", dir, name);

	return r < 0 ? r : file_write(path, t->text, t->len, 0600);
}

int places_save(const struct app *app, const struct app_meta *meta, const char *dir,
		struct error *err)
{
	struct saver s = { .app = app };
	int r;

	r = saver_begin(&s);
	if (!r)
		r = collect(&s, meta);
	if (!r)
		r = write_text(&s.plan, dir, PLACES_FILE);
	if (!r)
		r = write_text(&s.acls, dir, ACLS_FILE);
	if (!r)
		r = write_text(&s.names, dir, NAMES_FILE);
	saver_free(&s);

	return r < 0 ? error_set(err, -r, "cannot note what %s has in memory file systems: %s",
				 app->name, strerror(-r)) : 0;
}

int places_check(const struct app *app, const struct app_meta *meta,
		 void (*fn)(void *ctx, const char *path), void *ctx)
{
	struct saver s = { .app = app, .too_large = fn, .ctx = ctx };
	int r;

	r = saver_begin(&s);
	if (!r)
		r = collect(&s, meta);
	saver_free(&s);

	return r;
}

int places_save_files(const struct app *app, const char *dir, struct error *err)
{
	_cleanup_free_ char *names = NULL;
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/" NAMES_FILE, dir);
	if (!r)
		r = file_read(path, &names, NULL);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" COPIES_FILE, dir);
	if (!r)
		r = runfiles_save("", names, app->shmem, app->nr_shmem, path);

	return r < 0 ? error_set(err, -r, "cannot copy the files that %s has in memory file "
				 "systems: %s", app->name, strerror(-r)) : 0;
}

int places_make(const char *dir, struct error *err)
{
	_cleanup_free_ char *plan = NULL, *acls = NULL;
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/" PLACES_FILE, dir);
	if (!r)
		r = file_read(path, &plan, NULL);
	if (!r)
		r = sandbox_make_nodes(plan);
	if (!r)
		r = path_format(path, sizeof(path), "%s/" ACLS_FILE, dir);
	if (!r)
		r = file_read(path, &acls, NULL);
	if (!r)
		r = acls_restore(acls, "");
	if (!r)
		r = path_format(path, sizeof(path), "%s/" COPIES_FILE, dir);
	if (!r)
		r = runfiles_restore(path, "");

	return r < 0 ? error_set(err, -r, "cannot make directories and files as in %s: %s", path,
				 r == -ELOOP ? "a link that is not root's stands in the way" :
				 strerror(-r)) : 0;
}
