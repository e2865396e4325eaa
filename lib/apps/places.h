/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directories in memory (below /run, as a rule) that an app needs to be there: of its open
 * files and local sockets, its working directory, and those that its carried files lie in.
 * Whoever made them may come later in the next kernel than the app does, or not at all.
 */
#ifndef NVWA_APPS_PLACES_H
#define NVWA_APPS_PLACES_H

#include "lib/apps/app.h"
#include "lib/apps/meta.h"
#include "lib/base/error.h"

/* In the old kernel: to a file in the app's directory <dir>. */
int places_save(const struct app *app, const struct app_meta *meta, const char *dir,
		struct error *err);

/* In the new one: make those that are missing, with the owners and modes that they had. */
int places_make(const char *dir, struct error *err);

#endif
