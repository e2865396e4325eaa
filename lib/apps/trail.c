// SPDX-License-Identifier: GPL-2.0-only
/* The trail of an update: what it has changed of this machine so far. */
#include "lib/apps/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

const char *trail_file = TRAIL_FILE;

static int append(const char *line, size_t len)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
	_cleanup_close_ int fd = open(trail_file, flags, 0600);

	if (fd < 0 && errno == ENOENT && dir_make(NVWA_STATE_DIR) == 0)
		fd = open(trail_file, flags, 0600);
	return fd < 0 ? -errno : file_write_fd(fd, line, len);
}

int trail_add(const char *kind, const char *fmt, ...)
{
	_cleanup_free_ char *value = NULL, *line = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&value, fmt, args);
	va_end(args);
	if (n < 0) {
		value = NULL;
		return -ENOMEM;
	}
	if (strchr(value, '\n'))
		return -EINVAL;
	n = asprintf(&line, "%s %s\n", kind, value);
	if (n < 0) {
		line = NULL;
		return -ENOMEM;
	}
	return append(line, n);
}

int trail_take_back(void)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = file_read(trail_file, &text, &len);
	if (r < 0 || !len)
		return r;
	for (len--; len && text[len - 1] != '\n';)
		len--;
	return truncate(trail_file, len) < 0 ? -errno : 0;
}

int trail_values(const char *kind, char ***values)
{
	_cleanup_free_ char *text = NULL;
	const size_t len = strlen(kind);
	char *line, *end;
	int r;

	*values = NULL;
	r = file_read(trail_file, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* A line without an end is one for which there was no room: nothing came of it. */
	for (line = text; r == 0 && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (strncmp(line, kind, len) == 0 && line[len] == ' ')
			r = strv_append(values, line + len + 1);
	}
	if (r < 0) {
		cleanup_strv(values);
		*values = NULL;
	}
	return r;
}

bool trail_exists(void)
{
	return access(trail_file, F_OK) == 0;
}

void trail_remove(void)
{
	unlink(trail_file);
}
