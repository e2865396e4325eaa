/* SPDX-License-Identifier: GPL-2.0-only */
/* app_restore() with the memory from elsewhere than the keeper, for tests. */
#ifndef NVWA_APPS_RESTORE_H
#define NVWA_APPS_RESTORE_H

#include "lib/apps/app.h"

/* Fill in the memory of a stopped process and add to the counts of *done. */
typedef int (*app_insert_fn)(void *ctx, pid_t pid, struct app_restored *done,
			     struct error *err);

int app_restore_with(const char *dir, pid_t placeholder, app_insert_fn insert, void *ctx,
		     struct app_restored *done, struct error *err);

#endif
