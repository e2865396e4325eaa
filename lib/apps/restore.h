/* SPDX-License-Identifier: GPL-2.0-only */
/* app_restore() with the memory from elsewhere than the keeper, for tests. */
#ifndef NVWA_APPS_RESTORE_H
#define NVWA_APPS_RESTORE_H

#include "lib/apps/app.h"

/* Both add to the counts of *done. */
struct app_insert {
	/* Fill in the memory of its own that a stopped process has. */
	int (*own)(void *ctx, pid_t pid, struct app_restored *done, struct error *err);
	/* Fill in memory that processes share, this one among them; fd is open for reading only. */
	int (*shared)(void *ctx, pid_t pid, int fd, uint64_t id, struct app_restored *done,
		      struct error *err);
};

int app_restore_with(const char *dir, pid_t placeholder, struct takeover *takeover,
		     const struct app_insert *insert, void *ctx, struct app_restored *done,
		     struct error *err);

#endif
