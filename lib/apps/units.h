/* SPDX-License-Identifier: GPL-2.0-only */
/* The generated units of the first boot: how they come, and how they go. */
#ifndef NVWA_APPS_UNITS_H
#define NVWA_APPS_UNITS_H

#include "lib/base/error.h"

/* While this file exists, nothing is generated. */
#define APPS_FORGOTTEN	"/run/nvwa/forgotten"

/* If this file of NVWA_STATE_DIR exists, all went on ahead of systemd: the boot is one as ever. */
#define APPS_WHOLE	"whole"

/* In the directory of an app: it was restored, or given up, before systemd ran. */
#define APPS_AHEAD	"ahead"

/* While this file exists, systemd starts no service that went ahead: it may run already. */
#define APPS_UNVERIFIED	"/run/nvwa/unverified"

/*
 * For the generator, in its directory early: have a unit want another one, whose file is this one
 * among the installed units (of another name if it is an instance).
 */
int units_want(const char *early, const char *wanted_by, const char *unit, const char *file);

/*
 * For the generator: write the stand-ins of all carried services recorded in
 * <state>/apps, and what starts nvwa's own units, into the directory early.
 * 0 if there is nothing to resume.
 */
int apps_generate_units(const char *state, const char *early, struct error *err);

/*
 * When all is restored (or given up): the services have their own units again.
 * Running programs notice nothing.
 */
int apps_forget_units(struct error *err);

/*
 * A carried service that could not be restored: drop its stand-in and start it
 * afresh from its own unit. For nvwa-fresh@.service.
 */
int apps_start_fresh(const char *unit, struct error *err);

#endif
