/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files, small helpers around paths, and running a command. */
#ifndef NVWA_BASE_FILE_H
#define NVWA_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Read a whole file (also of /proc, where st_size is 0). *data is malloc()ed,
 * owned by the caller, and followed by a NUL that *len does not count.
 */
int file_read(const char *path, char **data, size_t *len);

/* As file_read(), relative to a directory descriptor. */
int file_read_at(int dirfd, const char *path, char **data, size_t *len);

/* Create or replace a file with the given mode, making missing parents (0755). */
int file_write(const char *path, const void *data, size_t len, mode_t mode);

/* Write all of it to a file that is open. */
int file_write_fd(int fd, const void *data, size_t len);

/* mkdir -p, mode 0755. 0 if it exists. */
int dir_make(const char *path);

/* The same, and nobody else may look into those that are made: mode 0700. */
int dir_make_private(const char *path);

/* rm -rf; stays on one file system. 0 if there is nothing. */
int tree_remove(const char *path);

/* snprintf() that returns -ENAMETOOLONG instead of cutting. */
int path_format(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Run a command (found in PATH) and wait. Output and errors together are
 * returned in *output (malloc()ed, at most 4 MiB, the rest dropped; NULL: to
 * /dev/null). Returns the exit status (128 + signal if killed), or a negative
 * errno if it could not be started. A signal for which the caller has a handler ends it.
 */
int command_run(char *const argv[], char **output);

#endif
