/* SPDX-License-Identifier: GPL-2.0-only */
/* Units that cannot be stopped without stopping a carried one. */
#ifndef NVWA_APPS_NEEDS_H
#define NVWA_APPS_NEEDS_H

#include <stddef.h>
#include "lib/apps/app.h"
#include "lib/base/error.h"

/* Appends to a list the units whose stop stops this one. */
typedef int (*needs_fn)(void *ctx, const char *unit, char ***needs);

/* Add to a list of units what these need, what that needs, and so on, each once. */
int needs_closure(char ***units, needs_fn needs, void *ctx);

/* The units of the apps and all that these need; see lib/base/strv.h. */
int needs_of_apps(const struct app *apps, size_t nr_apps, char ***units, struct error *err);

#endif
