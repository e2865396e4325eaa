/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an app needs to be there in memory (below /run, as a rule): directories of its open and
 * mapped files and local sockets, those that it works in or watches, and those that its carried
 * files lie in; and the files of lib/apps/runfiles.h. Whoever made them may come later in the
 * next kernel than the app does, or not at all.
 */
#ifndef NVWA_APPS_PLACES_H
#define NVWA_APPS_PLACES_H

#include "lib/apps/app.h"
#include "lib/apps/meta.h"
#include "lib/base/error.h"

/* In the old kernel: what there is, to files in the app's directory <dir>. */
int places_save(const struct app *app, const struct app_meta *meta, const char *dir,
		struct error *err);

/* The content of files, when the app stands still. */
int places_save_files(const struct app *app, const char *dir, struct error *err);

/* Call fn for files of the app that are too large to be copied, and change nothing. */
int places_check(const struct app *app, const struct app_meta *meta,
		 void (*fn)(void *ctx, const char *path), void *ctx);

/* In the new one: make what is missing, with the owners and modes that it had. */
int places_make(const char *dir, struct error *err);

#endif
