// SPDX-License-Identifier: GPL-2.0-only
/* How much CRIU will write of an app, foretold. */
#include "lib/apps/images-size.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/files.h"
#include "lib/apps/proc.h"

/*
 * The images of a redis are 70 KiB; a thread has its registers in them, with those of AVX-512
 * some 3 KiB, of AMX 11.
 */
#define PROCESS_BYTES	(96 << 10)
#define THREAD_BYTES	(12 << 10)

struct ghosts {
	struct { dev_t dev; ino_t ino; } *list;
	size_t nr;
	uint64_t bytes;
};

/* A deleted file is written once, whoever has it open; memfds are shared memory. */
static int add_ghost(void *ctx, const struct open_file *f)
{
	struct ghosts *g = ctx;
	void *bigger;

	if (!S_ISREG(f->st.st_mode) || f->st.st_nlink || !strncmp(f->target, "/memfd:", 7))
		return 0;
	for (size_t i = 0; i < g->nr; i++) {
		if (g->list[i].dev == f->st.st_dev && g->list[i].ino == f->st.st_ino)
			return 0;
	}
	bigger = reallocarray(g->list, g->nr + 1, sizeof(*g->list));
	if (!bigger)
		return -ENOMEM;
	g->list = bigger;
	g->list[g->nr].dev = f->st.st_dev;
	g->list[g->nr++].ino = f->st.st_ino;
	g->bytes += (uint64_t)f->st.st_blocks * 512;

	return 0;
}

int images_size(const struct app *app, uint64_t *bytes)
{
	struct ghosts ghosts = { 0 };
	int r;

	for (size_t i = 0; i < app->nr_pids; i++) {
		uint64_t threads;

		if (proc_status_number(app->pids[i], "Threads", 10, &threads) == 0)
			*bytes += PROCESS_BYTES + threads * THREAD_BYTES;
	}
	r = open_files_scan(app->pids, app->nr_pids, add_ghost, &ghosts);
	*bytes += ghosts.bytes;
	free(ghosts.list);

	/* One that has ended is somebody else's to say. */
	return r == -ESRCH || r == -ENOENT ? 0 : r;
}
