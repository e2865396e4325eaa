/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that stops an update, found out with nothing touched. */
#ifndef NVWA_TOOL_CHECK_H
#define NVWA_TOOL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "tool/config.h"

struct check_reason {
	bool fatal;		/* false: carried, but with this difference */
	int code;		/* enum exit_code of a fatal one */
	char *app;		/* the service or program that it is about, or NULL */
	char *text;		/* a whole sentence, with the remedy */
};

struct check_app {
	char *name;		/* "redis-server.service" or "pid-1234" */
	pid_t pid;		/* main process, 0 if there is none */
	size_t nr_pids;		/* processes of the tree */
	bool carried;		/* nothing stands against it */
};

struct check_result {
	char *running;		/* release of this kernel */
	char *release;		/* the target, NULL if none could be found */
	bool newest;		/* none was named, the newest one runs: nothing to do */
	struct check_app *apps;
	size_t nr_apps;
	struct target *target;	/* opened, NULL if it could not be; for the update to take */
	uint64_t shared_pages;	/* how many more there are when nothing is shared any more */
	struct check_reason *reasons;
	size_t nr_reasons;
};

/*
 * Check an update to a release (NULL: the newest installed one). Collects all
 * reasons, not only the first. Returns EXIT_OK, the exit code that all fatal
 * reasons share, or EXIT_REFUSED where they are of several kinds. Where none was named and the
 * newest one runs already, that is all there is to say (EXIT_SAME), unless force
 * is set. Freed by check_free(), whatever was returned.
 */
int check_run(const struct config *config, const char *release, bool force,
	      struct check_result *result);

void check_print(const struct check_result *result, FILE *out);
void check_free(struct check_result *result);

#endif
