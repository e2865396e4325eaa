// SPDX-License-Identifier: GPL-2.0-only
/* What nvwa-init does of the takeover: the file that systemd is given. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/takeover.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

bool takeover_understood(const char *init)
{
	_cleanup_free_ char *path = realpath(init, NULL);
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && !strcmp(slash, "/systemd");
}

static int put_part(FILE *out, const char *dir, const char *part)
{
	_cleanup_free_ char *text = NULL;
	char path[4200];
	int r;

	r = path_format(path, sizeof(path), "%s/" TAKEOVER_DIR "/%s", dir, part);
	if (!r)
		r = file_read(path, &text, NULL);
	if (!r)
		fputs(text, out);

	/* A program has none. */
	return r == -ENOENT ? 0 : r;
}

int takeover_write(const char *path, char *const *dirs)
{
	_cleanup_free_ char *text = NULL;
	FILE *out;
	size_t len;
	int r = 0;

	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; !r && dirs[i]; i++)
		r = put_part(out, dirs[i], TAKEOVER_MANAGER);
	/* An empty line ends what is about systemd itself, as it ends each unit. */
	fputc('\n', out);
	for (size_t i = 0; !r && dirs[i]; i++)
		r = put_part(out, dirs[i], TAKEOVER_UNITS);
	if (fclose(out) && !r)
		r = -ENOMEM;

	return r || len == 1 ? r : file_write(path, text, len, 0600);
}
