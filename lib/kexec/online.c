// SPDX-License-Identifier: GPL-2.0-only
/* See Documentation/admin-guide/mm/memory-hotplug.rst, "auto_online_blocks". */
#include "lib/kexec/online.h"

#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define AUTO_ONLINE	"/sys/devices/system/memory/auto_online_blocks"

static int write_text(const char *path, const char *text)
{
	return file_write(path, text, strlen(text), 0644);
}

/* Beside what else is of an update, for root only. */
static int note_choice(const char *path, const char *text)
{
	return file_write(path, text, strlen(text), 0600);
}

int online_all(const char *choice_path)
{
	_cleanup_free_ char *choice = NULL;
	int r = file_read(AUTO_ONLINE, &choice, NULL);

	if (!r)
		r = note_choice(choice_path, choice);
	return r ? r : write_text(AUTO_ONLINE, "online");
}

int online_as_before(const char *choice_path)
{
	_cleanup_free_ char *choice = NULL;
	int r = file_read(choice_path, &choice, NULL);

	if (r)
		return r == -ENOENT ? 0 : r;
	return write_text(AUTO_ONLINE, choice);
}
