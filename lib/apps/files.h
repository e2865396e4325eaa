/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The open files of a process tree, and which of them come from outside of
 * what CRIU restores: those that systemd opened for a service before it built
 * the sandbox. The new side has the like of them, in the placeholder.
 */
#ifndef NVWA_APPS_FILES_H
#define NVWA_APPS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "lib/apps/app.h"
#include "lib/apps/unixsock.h"
#include "lib/base/error.h"

struct open_file {
	pid_t pid;
	int fd;
	char target[4096];	/* what /proc/PID/fd/N points to */
	struct stat st;
	int mount;		/* id */
	unsigned int flags;	/* of open(2) */
	bool foreign;		/* has a path, on a mount outside of the tree's namespace */
};

/* Return not 0 to stop. */
typedef int (*open_file_fn)(void *ctx, const struct open_file *file);

/* Call fn for every open file of every process; those that end meanwhile are left out. */
int open_files_scan(const pid_t *pids, size_t nr, open_file_fn fn, void *ctx);

enum external_kind {
	EXTERNAL_FILE,		/* opened anew by its path */
	EXTERNAL_JOURNAL,	/* the placeholder's stream to the journal */
};

struct external {
	enum external_kind kind;
	int fd;			/* its number in the main process, -1 if it has it nowhere */
	int mount;
	unsigned int flags;
	unsigned long long ino;
	char *path;
};

struct externals {
	struct external *list;
	size_t nr;
};

/*
 * Find them. What can neither be restored by CRIU nor is an external is left
 * for CRIU, which names it when it fails; app_check() finds it before.
 */
int externals_find(const struct app *app, struct externals *found, struct error *err);
void externals_free(struct externals *externals);

/* Where systemd-journald listens for streams; see systemd-journald.service(8). */
#define JOURNAL_SOCKET	"/run/systemd/journal/stdout"

/* Whether a unix socket is a stream to the journal. */
bool unix_socket_is_journal(const struct unix_sockets *all, const struct unix_socket *s);

#endif
