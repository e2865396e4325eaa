/* SPDX-License-Identifier: GPL-2.0-only */
/* Routes of all tables, and the rules that choose among these. */
#ifndef NVWA_NET_ROUTES_H
#define NVWA_NET_ROUTES_H

#include <stdbool.h>
#include <stdio.h>
#include "lib/base/error.h"

/* Is this network link there again before routes are put back? */
typedef bool (*routes_link_fn)(void *ctx, const char *link);

/*
 * Write what makes all of them again, for batch_run(): ip(8) takes less than it prints. What
 * leads over a link that is not there again is left out.
 */
int routes_save(FILE *batch, routes_link_fn returns, void *ctx, struct error *err);

/*
 * The parts of it, from what ip(8) has printed, which is changed: text of "ip -4 route show table
 * all" or with -6, of "ip -4 rule show" or with -6.
 */
void routes_put(FILE *batch, char *text, bool ipv6, routes_link_fn returns, void *ctx);
void routes_put_rules(FILE *batch, char *text, bool ipv6);

#endif
