/* SPDX-License-Identifier: GPL-2.0-only */
/* The record's file "adopt": what nvwa-init is to do before the machine's init runs. */
#ifndef NVWA_TOOL_ORDERS_H
#define NVWA_TOOL_ORDERS_H

#include <mntent.h>
#include <stdbool.h>
#include <stddef.h>
#include "lib/apps/app.h"

/*
 * Before the freeze: the settings of sysctl.d, as they are now. They hold before the
 * machine's init starts, as programs may go ahead of it.
 */
int orders_prepare(void);

/*
 * Write it below CARRY_OUT_DIR, for these apps; init/orders.c describes its lines. If some go
 * ahead of systemd, ahead_seconds is how long none may be restored; otherwise 0.
 */
int orders_write(const struct app *apps, size_t nr_apps, unsigned int ahead_seconds);

/* Is this file system one that nvwa-init is ordered to mount? */
bool orders_mount(const struct mntent *m);

#endif
