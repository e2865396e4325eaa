/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that go on ahead of systemd: nvwa-init has them restored before it starts the
 * machine's own init, where nothing that they need is systemd's to bring.
 */
#ifndef NVWA_TOOL_AHEAD_H
#define NVWA_TOOL_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "lib/apps/app.h"
#include "lib/apps/takeover.h"
#include "lib/base/error.h"

/* May this app go ahead, as far as it alone counts? -ENOTSUP, and err says why not. */
int ahead_app_allows(const struct app *app, struct error *err);

/*
 * The same of the machine, for all of them. out gets what ahead_mounts() writes; NULL, nothing.
 */
int ahead_machine_allows(FILE *out, struct error *err);

/*
 * Write a line "mount DIRECTORY" for each file system that must be mounted for programs to go
 * ahead, in the order of mounting, to out unless that is NULL. -ENOTSUP: there is one that
 * only systemd can mount, and err names it. root is "" but for tests.
 */
int ahead_mounts(const char *root, FILE *out, struct error *err);

/*
 * In the old kernel: write CARRY_AHEAD with the programs that go ahead, and what must be
 * there for them, and note in apps which. Returns how many; 0, and no file, if none does.
 */
int ahead_save(struct app *apps, size_t nr_apps, struct error *err);

/*
 * When all stand still: write CARRY_PORTS, for the packet lock of those that do not go ahead.
 */
int ahead_save_ports(const struct app *apps, size_t nr_apps, struct error *err);

/* What the old kernel wrote. */
struct ahead {
	char **mounts;		/* directories on which there must be a file system */
	char **apps;		/* names */
	char *guard;		/* a command that must have run, or NULL */
	int criu_version;	/* of the criu that has dumped them */
	bool whole;		/* nothing is left for systemd to restore */
	bool journal;		/* its sockets are made for them */
};

/* In the new kernel: -ENOENT, no program goes ahead. */
int ahead_read(struct ahead *ahead, struct error *err);
void ahead_free(struct ahead *ahead);

/* Bring about what the programs need; on failure they have to wait for systemd. */
int ahead_make_ready(const struct ahead *ahead, struct error *err);

/* Restore one, in a process of its own; first_fd as in struct takeover. An exit code. */
typedef int (*ahead_restore_fn)(const char *name, int first_fd);

/* Of such a function: nothing was tried, and it waits for systemd. */
#define EXIT_AGAIN	75

/*
 * Restore all of them, as many at a time as there are CPUs. False: one of them has to wait
 * for systemd after all. *status becomes EXIT_FAILURE if one fails or waits.
 */
bool ahead_restore(const struct ahead *ahead, ahead_restore_fn restore, int *status,
		   struct error *err);

#endif
