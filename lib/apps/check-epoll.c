// SPDX-License-Identifier: GPL-2.0-only
/* What stands against carrying an app: what epoll(7) watches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/apps/check.h"
#include "lib/apps/files.h"
#include "lib/apps/proc.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

static int by_number(const void *a, const void *b)
{
	const ino_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The inodes of all that a process has open, sorted. */
static ino_t *open_inodes(pid_t pid, size_t *nr)
{
	_cleanup_free_ int *fds = NULL;
	char path[64];
	struct stat st;
	ino_t *inodes;
	size_t nr_fds;

	*nr = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	if (proc_numbers(path, &fds, &nr_fds) < 0 || !nr_fds)
		return NULL;
	inodes = calloc(nr_fds, sizeof(*inodes));
	for (size_t i = 0; inodes && i < nr_fds; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fds[i]);
		if (stat(path, &st) == 0)
			inodes[(*nr)++] = st.st_ino;
	}
	if (inodes)
		qsort(inodes, *nr, sizeof(*inodes), by_number);

	return inodes;
}

/*
 * An entry outlives the descriptor that it was made with, as long as anybody has the file open;
 * CRIU makes it again if that is the same process. "tfd:" is in filesystems/proc.rst of the kernel.
 */
void check_epoll(struct checker *c, const struct open_file *f, const char *who)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ ino_t *inodes = NULL;
	char path[64], *line, *rest;
	size_t nr;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", f->pid, f->fd);
	if (file_read(path, &text, NULL) < 0)
		return;
	inodes = open_inodes(f->pid, &nr);
	rest = text;
	while (inodes && (line = strsep(&rest, "\n"))) {
		unsigned long number;
		ino_t inode;
		int fd;

		if (sscanf(line, "tfd: %d %*[^i]ino:%lx", &fd, &number) != 2)
			continue;
		inode = number;
		if (bsearch(&inode, inodes, nr, sizeof(inode), by_number))
			continue;
		check_say(c, true, "%s watches (epoll, descriptor %d) what was its descriptor %d. "
			  "It has closed that, and another process has the same open, which "
			  "cannot be restored. Restart it, or take it off the list", who, f->fd,
			  fd);
		return;
	}
}
