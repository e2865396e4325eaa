// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands against carrying an app: System V semaphores and message queues,
 * which end with the kernel. The kernel does not tell who uses them, only whose
 * they are: those of a user other than root are taken to be the app's if it
 * runs as that user. root has many programs, so there it is only said.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/apps/check.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* The tables of Documentation/filesystems/proc.rst, with the columns of a line. */
static const struct {
	const char *path, *what, *format;
	char option;			/* of ipcrm(1) */
} tables[] = {
	/* key semid perms nsems uid gid cuid */
	{ "/proc/sysvipc/sem", "semaphore set",
	  "%" SCNd32 " %d %*o %*u %" SCNu64 " %*u %" SCNu64, 's' },
	/* key msqid perms cbytes qnum lspid lrpid uid gid cuid */
	{ "/proc/sysvipc/msg", "message queue",
	  "%" SCNd32 " %d %*o %*u %*u %*d %*d %" SCNu64 " %*u %" SCNu64, 'q' },
};
#define NR_TABLES	(sizeof(tables) / sizeof(tables[0]))

/* The first process of the app that runs as one of the two; 0 if none does. */
static pid_t runs_as(const struct app *app, uint64_t owner, uint64_t creator)
{
	uint64_t uid;

	for (size_t i = 0; i < app->nr_pids; i++) {
		if (!proc_status_number(app->pids[i], "Uid", 10, &uid) &&
		    (uid == owner || uid == creator))
			return app->pids[i];
	}

	return 0;
}

static void check_table(struct checker *c, size_t table, char *text)
{
	const char *what = tables[table].what;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		uint64_t owner, creator;
		char who[96];
		int32_t key;
		pid_t pid;
		int id;

		/* The line with the headings has no numbers. */
		if (sscanf(line, tables[table].format, &key, &id, &owner, &creator) != 4)
			continue;
		pid = runs_as(c->app, owner, creator);
		if (!pid)
			continue;
		check_process(pid, who, sizeof(who));
		check_say(c, owner && creator, "The System V %s %d (key %#" PRIx32 ") belongs to "
			  "the user that %s runs as. It cannot be carried. Stop that program "
			  "before the update if it uses it; if nobody does, remove it with: "
			  "ipcrm -%c %d", what, id, (uint32_t)key, who, tables[table].option, id);
		/* One of a kind is reason enough. */
		return;
	}
}

void check_ipc(struct checker *c)
{
	for (size_t i = 0; i < NR_TABLES; i++) {
		_cleanup_free_ char *text = NULL;
		int r = file_read(tables[i].path, &text, NULL);

		/* -ENOENT: this kernel has no System V IPC. */
		if (!r)
			check_table(c, i, text);
		else if (r != -ENOENT)
			check_say(c, true, "%s cannot be read: %s", tables[i].path, strerror(-r));
	}
}
