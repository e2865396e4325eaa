// SPDX-License-Identifier: GPL-2.0-only
/* In the old kernel: the freeze of an app, and its undoing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/criu.h"
#include "lib/apps/images.h"
#include "lib/apps/meta.h"
#include "lib/apps/proc.h"
#include "lib/apps/sockets.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

/* From this version on CRIU can be told to leave the packet lock to us. */
#define CRIU_NETWORK_LOCK_SKIP	31900
/* A deleted file that is still open is copied into the images, up to this size. */
#define GHOST_LIMIT		"64M"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The list may have changed since the app was found. */
static int refresh_tree(struct app *app, struct error *err)
{
	pid_t *pids;
	size_t nr;
	int r;

	r = proc_tree(app->pid, &pids, &nr);
	if (r < 0)
		return error_set(err, -r, "main process %d of %s is gone", app->pid, app->name);
	free(app->pids);
	app->pids = pids;
	app->nr_pids = nr;

	return 0;
}

/*
 * What makes CRIU leave the memory alone: in a dump for lazy migration it
 * writes everything else and then serves pages on this socket until its peer
 * is gone, which it is. At its end it applies the final state, stopped.
 */
static int add_lazy_arguments(struct criu *criu)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	close(pair[1]);
	criu_keep(criu, pair[0]);
	criu_arg(criu, "--lazy-pages");
	criu_arg(criu, "--ps-socket");
	criu_arg(criu, "%d", pair[0]);
	criu_arg(criu, "--leave-stopped");

	return 0;
}

static void add_externals(struct criu *criu, const struct externals *externals)
{
	for (size_t i = 0; i < externals->nr; i++) {
		const struct external *e = &externals->list[i];

		criu_arg(criu, "--external");
		if (e->kind == EXTERNAL_JOURNAL)
			criu_arg(criu, "unix[%llu]", e->ino);
		else
			criu_arg(criu, "file[%x:%llx]", e->mount, e->ino);
	}
}

static int run_dump(const struct app *app, const char *dir, const struct app_dumped *dumped,
		    struct error *err)
{
	struct criu criu;
	int r;

	r = criu_init(&criu, "dump", dir, err);
	if (!r)
		r = add_lazy_arguments(&criu);
	if (r < 0)
		goto out;

	criu_arg(&criu, "--tree");
	criu_arg(&criu, "%d", app->pid);
	criu_arg(&criu, "--tcp-established");
	criu_arg(&criu, "--skip-in-flight");
	criu_arg(&criu, "--manage-cgroups=ignore");
	criu_arg(&criu, "--file-locks");
	criu_arg(&criu, "--link-remap");
	criu_arg(&criu, "--ext-unix-sk");
	criu_arg(&criu, "--ghost-limit");
	criu_arg(&criu, GHOST_LIMIT);
	criu_arg(&criu, "--network-lock");
	if (dumped->criu_version >= CRIU_NETWORK_LOCK_SKIP) {
		criu_arg(&criu, "skip");
	} else {
		criu_arg(&criu, "nftables");
		criu.no_firewall = true;
	}
	add_externals(&criu, &dumped->externals);
	criu.namespaces_of = app->pid;
	criu.hide_userns = dumped->hidden_userns;
	r = criu_run(&criu, err);
out:
	criu_free(&criu);
	return r;
}

static bool all_without_new_privileges(const struct app *app)
{
	for (size_t i = 0; i < app->nr_pids; i++) {
		uint64_t flag;

		if (proc_status_number(app->pids[i], "NoNewPrivs", 10, &flag) < 0 || !flag)
			return false;
	}

	return true;
}

static int strip_images(const char *dir, struct app_memory **memory, size_t *nr_memory,
			struct error *err)
{
	_cleanup_close_ int fd = -1;
	char path[4096];
	int r;

	r = path_format(path, sizeof(path), "%s/img", dir);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));

	return images_strip(fd, memory, nr_memory, err);
}

static int prepare_dump(struct app *app, const char *dir, struct app_dumped *dumped,
			struct error *err)
{
	uint64_t ours, theirs;
	char images[4096];
	int r;

	free(app->dir);
	r = asprintf(&app->dir, "%s/%s", dir, app->name);
	if (r < 0) {
		app->dir = NULL;
		return -ENOMEM;
	}
	/* What an earlier attempt left would be taken for ours. */
	r = path_format(images, sizeof(images), "%s/img", app->dir);
	if (!r)
		r = tree_remove(images);
	if (r < 0)
		return error_set(err, -r, "cannot clear %s/img: %s", app->dir, strerror(-r));
	dumped->criu_version = criu_version();
	if (dumped->criu_version < 0)
		return error_set(err, ENOENT, "there is no criu command: install criu");
	r = refresh_tree(app, err);
	if (!r)
		r = externals_find(app, &dumped->externals, err);
	if (!r)
		r = sockets_note(app);
	if (!r)
		r = proc_ns(0, "user", &ours);
	if (!r)
		r = proc_ns(app->pid, "user", &theirs);
	if (r < 0)
		return error_set(err, -r, "cannot look at the processes of %s: %s", app->name,
				 strerror(-r));
	dumped->hidden_userns = ours != theirs;

	return 0;
}

int app_dump(struct app *app, const char *dir, struct app_memory **memory, size_t *nr_memory,
	     struct error *err)
{
	struct app_dumped dumped = { 0 };
	int r;

	r = prepare_dump(app, dir, &dumped, err);
	if (!r)
		r = run_dump(app, app->dir, &dumped, err);
	if (r < 0)
		goto out;

	/* From here on the processes are stopped. */
	dumped.tsc = clock_tsc();
	dumped.realtime_ns = clock_ns(CLOCK_REALTIME);
	dumped.monotonic_ns = clock_ns(CLOCK_MONOTONIC);
	dumped.boottime_ns = clock_ns(CLOCK_BOOTTIME);
	/* Children that were born before the freeze. */
	r = refresh_tree(app, err);
	dumped.no_new_privileges = !r && all_without_new_privileges(app);
	if (!r)
		r = dumped_write(app->dir, &dumped, err);
	if (!r)
		r = strip_images(app->dir, memory, nr_memory, err);
	if (r < 0)
		app_continue(app);
out:
	dumped_free(&dumped);
	return r;
}

int app_continue(const struct app *app)
{
	struct proc_stat st;
	int r, result = 0;

	r = sockets_resume(app);
	if (r < 0 && r != -ESRCH)
		result = r;

	for (size_t i = 0; i < app->nr_pids; i++) {
		r = proc_stat_read(app->pids[i], &st);
		if (r == -ESRCH)
			continue;
		if (!r && st.state == 'T' && kill(app->pids[i], SIGCONT))
			r = -errno;
		if (r < 0 && r != -ESRCH)
			result = r;
	}

	return result;
}
