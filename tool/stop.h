/* SPDX-License-Identifier: GPL-2.0-only */
/* What is not carried: services are stopped before the freeze, all else stands still in it. */
#ifndef NVWA_TOOL_STOP_H
#define NVWA_TOOL_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include "lib/apps/app.h"
#include "lib/base/error.h"

/*
 * Stop them, say which, and note them in the trail, by which they are started again, and for the
 * next kernel. -ESRCH if a program that is carried has ended with them. An address that goes
 * with one may be another machine's from now on, in a cluster, say: it is not to come back, and
 * a program with a socket there cannot (-EADDRNOTAVAIL). With restore_net the others are saved.
 */
int stop_services(const struct app *apps, size_t nr_apps, bool restore_net,
		  struct error *err);

/*
 * At the freeze: nothing but this command, its guard, the programs and systemd runs from now on,
 * so that no file, path or signal comes in between. Nothing ends this command for want of
 * memory, and no page of it has to come from a disk.
 */
int stop_others(const struct app *apps, size_t nr_apps, struct error *err);

#endif
