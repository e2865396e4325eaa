/* SPDX-License-Identifier: GPL-2.0-only */
/* What the first boot after an update starts before all else. */
#ifndef NVWA_APPS_FIRST_H
#define NVWA_APPS_FIRST_H

#include <stdbool.h>
#include "lib/base/error.h"

/*
 * For the generator: have nvwa-first.target be the default target, with what
 * this machine needs for carried programs, and what it is otherwise started
 * afterwards. Nothing is done where the default target is no link to another one.
 */
int first_generate(const char *state, const char *early, struct error *err);

/*
 * In the old kernel: put what systemd's generators have made into the directory out, for
 * first_generate(), and the names of the generators, a line each, into its file
 * FIRST_GENERATORS. With that they need not run before the programs do: they are masked until
 * first_end(). Nothing is done if the next boot does not begin with nvwa-first.target.
 */
int first_save(const char *out, struct error *err);
#define FIRST_GENERATORS	"generators"

/* The default target of the first boot, if it is one of its own. */
#define FIRST_TARGET	"nvwa-first.target"

/* Reached when what carried programs need is there. */
#define FIRST_READY	"nvwa-ready.target"

/* Where a mask of a generator lies; see systemd.generator(7). */
#define FIRST_MASKS	"/run/systemd/system-generators"

/*
 * Will the next boot, with this command line, begin with nvwa-first.target? Not if it
 * names a target, or if the default target is no link.
 */
bool first_applies(const char *cmdline);

/* There is nothing left to go first: systemd's generators run in this boot as in any. */
void first_give_up(void);

/* Is the unit started at boot: is there a link to it in what some target wants? */
bool first_enabled(const char *unit);
/* Is a packet filter? */
bool first_has_firewall(void);

/* The programs run: have systemd run all generators, then start the rest of the boot. */
int first_end(const char *target, struct error *err);

/*
 * Does something that carried programs need wait for udev: a file system of
 * this fstab on a device other than the root's, or a network link of this list (one name a
 * line) that is not in the directory links yet, as it is to be renamed?
 */
bool first_needs_devices(const char *fstab, const char *list, const char *links);

#endif
