/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CRIU opens the files of an app again by name and with root's rights, and makes its sockets and
 * removed files again where names lead. Meanwhile others may have exchanged what lies there. So
 * it is noted which files those were, and looked at twice: before CRIU touches anything, and
 * when all processes are rebuilt and none of them runs.
 */
#ifndef NVWA_APPS_REOPENED_H
#define NVWA_APPS_REOPENED_H

#include "lib/apps/app.h"
#include "lib/apps/meta.h"
#include "lib/base/error.h"

/* In the old kernel, when the processes of the app stand still: note it in the app's directory. */
int reopened_note(const struct app *app, const struct app_meta *meta,
		  const struct externals *externals, const char *dir, struct error *err);

struct reopened;

/* In the new one: what was noted; freed by reopened_free(). */
int reopened_read(const char *dir, struct reopened **noted, struct error *err);

/* Before CRIU runs: names lead where they led; inside: whose root directory the app's will be. */
int reopened_check_names(const struct reopened *noted, pid_t inside, struct error *err);

/* The processes, all rebuilt, have the same files open and mapped. -ESTALE: they have not. */
int reopened_check(const struct reopened *noted, struct error *err);

void reopened_free(struct reopened *noted);

#endif
