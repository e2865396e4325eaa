/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's own packet filter over an update: nothing passes in the new kernel before it has
 * loaded its rules. Whose it is and what it is called does not matter: the old kernel had rules.
 */
#ifndef NVWA_TOOL_FILTER_H
#define NVWA_TOOL_FILTER_H

#include <stdbool.h>
#include "lib/base/error.h"

/*
 * In the old kernel, before services are stopped: write CARRY_FILTER if the machine has a filter.
 */
int filter_save(struct error *err);

/*
 * In the new kernel, before a link is up: have the guard on if the rules are not there yet, or off.
 * ahead: no unit of systemd's can have loaded any.
 */
int filter_guard(bool ahead, struct error *err);

/*
 * When all that comes before the network has started: take the guard off if rules are there, or
 * if the old kernel had none either. At last: in any case. 1: it stays on.
 */
int filter_lift(bool at_last, struct error *err);

#endif
