// SPDX-License-Identifier: GPL-2.0-only
/* In the old kernel: the freeze of an app, and its undoing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/apps/app.h"
#include "lib/apps/criu.h"
#include "lib/apps/freezer.h"
#include "lib/apps/images.h"
#include "lib/apps/memory.h"
#include "lib/apps/meta.h"
#include "lib/apps/proc.h"
#include "lib/apps/reopened.h"
#include "lib/apps/smaps.h"
#include "lib/apps/sockets.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/record/keeper.h"

/* From this version on CRIU can be told to leave the packet lock to us. */
#define CRIU_NETWORK_LOCK_SKIP	31900
/* A deleted file that is still open is copied into the images, up to this size. */
#define GHOST_LIMIT		"64M"
/* In seconds, for a tree of any size; CRIU's own 10 are not enough for thousands of threads. */
#define CRIU_TIMEOUT		"120"

/* A dump under way. */
struct dump {
	struct criu criu;
	struct app_dumped dumped;
};

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

static int start_criu(const struct app *app, struct dump *dump, int keeper, struct error *err)
{
	const struct app_dumped *dumped = &dump->dumped;
	struct criu *criu = &dump->criu;
	int r;

	r = criu_init(criu, "dump", app->dir, err);
	if (r < 0)
		return r;
	/* What it does not see it does not write; it applies the final state, stopped. */
	criu->hide_memory = true;
	criu->hide_shared = true;
	criu->carry_sysv = dumped->has_sysv;
	criu->keeper = keeper;
	criu_arg(criu, "--leave-stopped");
	criu_arg(criu, "--tree");
	criu_arg(criu, "%d", app->pid);
	criu_arg(criu, "--tcp-established");
	criu_arg(criu, "--skip-in-flight");
	criu_arg(criu, "--manage-cgroups=ignore");
	criu_arg(criu, "--file-locks");
	criu_arg(criu, "--link-remap");
	criu_arg(criu, "--ext-unix-sk");
	criu_arg(criu, "--ghost-limit");
	criu_arg(criu, GHOST_LIMIT);
	criu_arg(criu, "--timeout");
	criu_arg(criu, CRIU_TIMEOUT);
	criu_arg(criu, "--network-lock");
	if (dumped->criu_version >= CRIU_NETWORK_LOCK_SKIP) {
		criu_arg(criu, "skip");
	} else {
		criu_arg(criu, "nftables");
		criu->no_firewall = true;
	}
	add_externals(criu, &dumped->externals);
	criu->namespaces_of = app->pid;
	criu->hide_userns = dumped->hidden_userns;

	return criu_start(criu, err);
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

/* All that a process has of its own, less what CRIU has written (the vdso, for one). */
static int find_memory(int images, struct app_memory *memory, struct process_extra *extra)
{
	_cleanup_free_ struct nvwa_range *written = NULL;
	_cleanup_free_ char *data = NULL;
	size_t len, nr_written;
	char name[32];
	int r;

	r = memory_own(memory->pid, &memory->ranges, &memory->nr_ranges, &extra->guards,
		       &extra->nr_guards);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "pagemap-%d.img", memory->pid);
	r = file_read_at(images, name, &data, &len);
	if (!r)
		r = images_written((uint8_t *)data, len, &written, &nr_written);
	if (!r)
		r = ranges_subtract(&memory->ranges, &memory->nr_ranges, written, nr_written);

	return r;
}

/* What CRIU does not see of a mapping and gives it all the same if its images say so. */
static const struct unseen {
	const char *flags[2];	/* of "VmFlags:", all of them */
	enum images_vma_field field;
	uint64_t bits;
} unseen[] = {
	/* It does not know this advice, on which generators of random numbers rely. */
	{ { "wf", "" }, VMA_MADVICE, 1ULL << MADV_WIPEONFORK },
	/* Hidden from it, see smaps_abridged(). */
	{ { "ms", "ex" }, VMA_PROT, PROT_EXEC },
};

static int write_unseen(int images, pid_t pid, const struct nvwa_vma *vmas, size_t nr,
			const struct unseen *u)
{
	_cleanup_free_ struct nvwa_range *ranges = NULL;
	size_t nr_ranges = 0;
	int r = 0;

	for (size_t i = 0; !r && i < nr; i++)
		if (flags_have(vmas[i].flags, u->flags[0]) &&
		    flags_have(vmas[i].flags, u->flags[1]))
			r = ranges_append(&ranges, &nr_ranges, vmas[i].start,
					  vmas[i].end - vmas[i].start);
	if (!r && nr_ranges)
		r = images_set_bits(images, pid, ranges, nr_ranges, u->field, u->bits);

	return r;
}

/* What mlockall(2) has said of mappings to come is shown by nothing but the module. */
static int find_flags(int images, int keeper, struct process_extra *extra)
{
	_cleanup_free_ struct nvwa_vma *vmas = NULL;
	uint32_t mm_flags;
	size_t nr;
	int r;

	r = keeper_vmas(keeper, extra->pid, &vmas, &nr, &mm_flags);
	if (r < 0)
		return r;
	extra->lock_future = mm_flags & NVWA_MM_LOCK_FUTURE;
	extra->lock_on_fault = mm_flags & NVWA_MM_LOCK_ONFAULT;
	for (size_t i = 0; !r && i < sizeof(unseen) / sizeof(unseen[0]); i++)
		r = write_unseen(images, extra->pid, vmas, nr, &unseen[i]);

	return r;
}

/* The memory of each process, and in dumped what CRIU does not see of it. */
static int list_memory(const struct app *app, int keeper, struct app_dumped *dumped,
		       struct app_memory **memory, size_t *nr_memory, struct error *err)
{
	struct app_memory *list = calloc(app->nr_pids, sizeof(*list));
	_cleanup_close_ int images = -1;
	char path[4096];
	int r;

	dumped->extras = calloc(app->nr_pids, sizeof(*dumped->extras));
	if (!list || !dumped->extras) {
		free(list);
		return -ENOMEM;
	}
	r = path_format(path, sizeof(path), "%s/img", app->dir);
	if (!r) {
		images = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = images < 0 ? -errno : 0;
	}
	for (size_t i = 0; !r && i < app->nr_pids; i++) {
		struct process_extra *extra = &dumped->extras[dumped->nr_extras++];

		list[i].pid = extra->pid = app->pids[i];
		r = find_memory(images, &list[i], extra);
		if (!r)
			r = find_flags(images, keeper, extra);
		if (r == -ESRCH)
			r = 0;	/* a zombie */
		if (r < 0)
			error_set(err, -r, "cannot see the memory of process %d: %s",
				  app->pids[i], strerror(-r));
		if (!extra->lock_future && !extra->nr_guards)
			dumped->nr_extras--;
	}
	if (r < 0) {
		app_memory_free(list, app->nr_pids);
		return r;
	}

	*memory = list;
	*nr_memory = app->nr_pids;
	return 0;
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
	r = shmem_has_sysv(app);
	if (r < 0)
		return error_set(err, -r, "cannot see the memory of %s: %s", app->name,
				 strerror(-r));
	dumped->has_sysv = r;

	return 0;
}

/* CRIU has dumped the segments of everybody. */
static int keep_segments(const struct app *app)
{
	_cleanup_free_ uint32_t *ids = calloc(app->nr_shmem + 1, sizeof(*ids));
	_cleanup_close_ int images = -1;
	char path[4096];
	size_t nr = 0;
	int r;

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < app->nr_shmem; i++)
		nr += shmem_is_sysv(&app->shmem[i], &ids[nr]);
	r = path_format(path, sizeof(path), "%s/img", app->dir);
	if (r < 0)
		return r;
	images = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return images < 0 ? -errno : images_keep_segments(images, ids, nr);
}

/* What CRIU was kept from: the memory that processes share. */
static int list_shmem(struct app *app, struct app_dumped *dumped, struct error *err)
{
	int r;

	shmem_free(app->shmem, app->nr_shmem);
	app->shmem = NULL;
	app->nr_shmem = 0;
	r = shmem_find(app, &app->shmem, &app->nr_shmem);
	if (r < 0)
		return error_set(err, -r, "cannot see the memory that processes of %s share: %s",
				 app->name, strerror(-r));
	if (dumped->has_sysv)
		r = keep_segments(app);
	if (r < 0)
		return error_set(err, -r, "cannot edit CRIU's images of System V IPC: %s",
				 strerror(-r));
	/* On loan. */
	dumped->shmem = app->shmem;
	dumped->nr_shmem = app->nr_shmem;

	return 0;
}

/*
 * The clocks as the processes see them: those that were carried before have a time namespace, in
 * which monotonic clocks are ahead of this kernel's.
 */
static int read_clocks(pid_t pid, struct app_dumped *dumped)
{
	struct proc_clocks theirs, ours;
	int r;

	r = proc_clocks(pid, &theirs);
	if (!r)
		r = proc_clocks(0, &ours);
	if (r < 0)
		return r;
	dumped->tsc = clock_tsc();
	dumped->realtime_ns = clock_ns(CLOCK_REALTIME);
	dumped->monotonic_ns = clock_ns(CLOCK_MONOTONIC) + theirs.monotonic - ours.monotonic;
	dumped->boottime_ns = clock_ns(CLOCK_BOOTTIME) + theirs.boottime - ours.boottime;

	return 0;
}

static void dump_free(struct app *app)
{
	struct app_dumped *dumped = &app->dump->dumped;

	/* On loan. */
	dumped->shmem = NULL;
	dumped->nr_shmem = 0;
	dumped_free(dumped);
	criu_free(&app->dump->criu);
	free(app->dump);
	app->dump = NULL;
}

int app_dump_start(struct app *app, const char *dir, int keeper, struct error *err)
{
	int r;

	app->dump = calloc(1, sizeof(*app->dump));
	if (!app->dump)
		return -ENOMEM;
	r = prepare_dump(app, dir, &app->dump->dumped, err);
	if (!r)
		r = start_criu(app, app->dump, keeper, err);
	if (r < 0)
		dump_free(app);

	return r;
}

/* CRIU writes down names alone. */
static int note_files(const struct app *app, const struct app_dumped *dumped, struct error *err)
{
	__attribute__((cleanup(meta_free))) struct app_meta meta = { 0 };
	int r = meta_read(app->dir, &meta, err);

	return r < 0 ? r : reopened_note(app, &meta, &dumped->externals, app->dir, err);
}

/* The processes are stopped: what of them CRIU does not write down. */
static int describe(struct app *app, struct app_dumped *dumped, int keeper,
		    struct app_memory **memory, size_t *nr_memory, struct error *err)
{
	int r;

	r = read_clocks(app->pid, dumped);
	if (r < 0)
		return error_set(err, -r, "cannot read the clocks of %s: %s", app->name,
				 strerror(-r));
	/* Children that were born before the freeze. */
	r = refresh_tree(app, err);
	dumped->no_new_privileges = !r && all_without_new_privileges(app);
	if (!r)
		r = list_shmem(app, dumped, err);
	if (!r)
		r = note_files(app, dumped, err);
	if (!r)
		r = list_memory(app, keeper, dumped, memory, nr_memory, err);
	if (r < 0)
		return r;
	r = dumped_write(app->dir, dumped, err);
	if (r < 0)
		app_memory_free(*memory, *nr_memory);

	return r;
}

int app_dump_finish(struct app *app, int keeper, struct app_memory **memory, size_t *nr_memory,
		    struct error *err)
{
	int r;

	r = criu_finish(&app->dump->criu, err);
	app->stop_tsc = app->dump->criu.stop_tsc;
	if (!r)
		r = freezer_hold(app, err);
	if (!r)
		r = describe(app, &app->dump->dumped, keeper, memory, nr_memory, err);
	dump_free(app);

	return r;
}

void app_dump_abandon(struct app *app)
{
	if (!app->dump)
		return;
	criu_finish(&app->dump->criu, NULL);
	dump_free(app);
}

int app_continue(struct app *app)
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
