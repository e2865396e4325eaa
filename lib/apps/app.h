/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An app: one thing that is carried as a whole, a systemd service or a
 * process tree named by its PID. In the old kernel it is found, checked and
 * dumped by CRIU without its memory; in the new one it is restored.
 *
 * What is recorded of an app is a directory of plain files, apps/<name>/:
 *   meta.json    what app_save() wrote and app_restore() needs
 *   img/         CRIU's images, less the memory that the keeper carries
 *   *.tar        contents of its runtime directory and private temporary files
 */
#ifndef NVWA_APPS_APP_H
#define NVWA_APPS_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "uapi/nvwa.h"
#include "lib/apps/shmem.h"
#include "lib/base/error.h"

enum app_kind { APP_SERVICE, APP_PROGRAM };

struct app {
	enum app_kind kind;
	char *name;		/* "redis-server.service" or "pid-1234" */
	pid_t pid;		/* main process */
	pid_t *pids;		/* the whole tree, main process first */
	size_t nr_pids;
	bool ahead;		/* set by the caller: it goes on before systemd starts */

	struct dump *dump;	/* from app_dump_start() to app_dump_finish() */
	/* Of app_dump_finish(): memory that its processes share, see shmem_open(). */
	struct shmem *shmem;
	size_t nr_shmem;

	uint64_t stop_tsc;	/* of app_dump_finish(): its last instruction */
	char *dir;		/* of app_dump_start() */
};

/*
 * Find a service by unit name (".service" may be missing): -ENOENT none such,
 * -ESRCH not running.
 */
int app_find_service(const char *unit, struct app *app, struct error *err);

/* Find a process tree: -ESRCH none such. */
int app_find_program(pid_t pid, struct app *app, struct error *err);

void app_free(struct app *app);

/*
 * Called by app_check() for every reason why an app cannot be carried
 * (fatal) or is carried with a difference (not fatal). The text is a whole
 * sentence that names process, descriptor and remedy.
 */
typedef void (*app_reason_fn)(void *ctx, const struct app *app, bool fatal, const char *text);

/*
 * Look for what cannot be carried to the kernel of that release, with nothing
 * touched. Returns the number of fatal reasons.
 */
int app_check(const struct app *app, const char *target_release, app_reason_fn reason, void *ctx);

/*
 * Has it a socket at one of these addresses (lines of net_addresses_gone()), which it would not
 * find again? -EADDRNOTAVAIL, and err names it.
 */
int app_check_gone(const struct app *app, const char *gone, struct error *err);

/*
 * Look at the other ends of their connections within this machine, and at what TCP connections
 * have that no one can rebuild: all apps at once, as they may be connected to each other. They
 * may run or be stopped. Returns the number of fatal reasons, or a negative errno.
 */
int apps_check_connections(const struct app *apps, size_t nr_apps, app_reason_fn reason, void *ctx);

/*
 * The same when all stand still, as some of it shows in no image: -ENOTSUP, and err says what has
 * been opened since the check.
 */
int apps_allow_connections(const struct app *apps, size_t nr_apps, struct error *err);

/*
 * Does it send datagrams to a local socket of another program, which must be there when it
 * is restored? 1 if so, and *name is the socket's, malloc()ed. One of which may_be says (unless
 * it is NULL) that it is there does not count.
 */
int app_peer(const struct app *app, bool (*may_be)(const char *name), char **name);

/*
 * Whether the installed criu can restore on the given kernel: -ENOENT, it is
 * not installed, -ENOTSUP, it is too old.
 */
int apps_check_criu(const char *target_release, struct error *err);

/* One process' memory that CRIU left to us: virtual ranges, sorted. */
struct app_memory {
	pid_t pid;
	struct nvwa_range *ranges;
	size_t nr_ranges;
};

/*
 * Dump with CRIU into <dir>/<name>/, all but the memory; the processes are
 * left stopped, and TCP must be locked by the caller (lib/net/lock.h). keeper
 * is the module, opened. In two steps, between which CRIU works, so that several
 * apps are dumped at once. *memory has one entry per process, malloc()ed; what
 * they share is in app->shmem. From freezer_others() on (lib/apps/freezer.h), which the caller
 * has called before, nothing lets them run but that their control groups are thawed. On
 * failure err holds the end of CRIU's log.
 */
int app_dump_start(struct app *app, const char *dir, int keeper, struct error *err);
int app_dump_finish(struct app *app, int keeper, struct app_memory **memory, size_t *nr_memory,
		    struct error *err);
void app_memory_free(struct app_memory *memory, size_t nr);

/* Record what is not in CRIU's images: unit facts, files; before the dump, while the app runs. */
int app_save(const struct app *app, const char *dir, struct error *err);

/*
 * After the dump: files that may have changed until the freeze (runtime directory, private tmp).
 * *left as for archive_save().
 */
int app_save_files(const struct app *app, const char *dir, uint64_t *left, struct error *err);

/*
 * How much that is: added to *size, as tree_size_add() does; and what CRIU will write, about, in
 * bytes to *images. The app may run.
 */
struct tree_size;
int app_size_files(const struct app *app, struct tree_size *size, uint64_t *images,
		   struct error *err);

/*
 * Undo a dump, half done or done, in whatever process: let all of app->pids run on. Safe to call
 * at any time; their control groups are thawed already.
 */
int app_continue(struct app *app);

/* Wait for a dump to end that nobody needs any more; nothing if there is none. */
void app_dump_abandon(struct app *app);

/*
 * In the new kernel: restore the app recorded in <dir> (NVWA_STATE_DIR/apps/NAME),
 * put its memory back through the keeper, and let it run. For a service it is
 * called from its generated unit's ExecStartPost= (in the unit's cgroup), with
 * placeholder = the PID of the placeholder; for a program placeholder is 0. Before
 * systemd runs it is 0 for both, and takeover gets what systemd is to be told of a
 * service; otherwise takeover is NULL. On failure nothing of the app is left running.
 * -EAGAIN: nothing was tried yet, and it can be restored when systemd runs.
 */
struct app_restored {
	pid_t pid;
	unsigned long long nr_inserted, nr_copied;	/* pages */
	unsigned long long insert_ticks;		/* of the TSC, that this took */
	uint64_t run_tsc;	/* its first instruction; 0: not known */
};
struct takeover;
int app_restore(const char *dir, pid_t placeholder, struct takeover *takeover,
		struct app_restored *done, struct error *err);

/* Written in <dir> when the restore begins: the control group of what is restored. */
#define APP_CGROUP_FILE	"cgroup"

#endif
