/* SPDX-License-Identifier: GPL-2.0-only */
/* The record's file "adopt": what nvwa-init is to do before the machine's init runs. */
#ifndef NVWA_TOOL_ORDERS_H
#define NVWA_TOOL_ORDERS_H

#include <stddef.h>
#include "lib/apps/app.h"

/* Write it below CARRY_OUT_DIR, for these apps; init/orders.c describes its lines. */
int orders_write(const struct app *apps, size_t nr_apps);

#endif
