// SPDX-License-Identifier: GPL-2.0-only
/* Switching transparent huge pages off, and back on as hugepage_init() would have. */
#include "lib/kexec/hugepages.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/param.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/"

/* Only hugepage_init() can have switched off this one as well. */
static bool were_dropped(void)
{
	_cleanup_free_ char *defrag = NULL;

	return !file_read(THP "khugepaged/defrag", &defrag, NULL) && defrag[0] == '0';
}

static int write_text(const char *path, const char *text)
{
	return file_write(path, text, strlen(text), 0644);
}

/* Beside what else is of an update, for root only. */
static int note_choice(const char *path, const char *text)
{
	return file_write(path, text, strlen(text), 0600);
}

/* The word in brackets: "always [madvise] never". */
static int read_selected(char *word, size_t size)
{
	_cleanup_free_ char *text = NULL;
	const char *open;
	int r = file_read(THP "enabled", &text, NULL);

	if (r)
		return r;
	open = strchr(text, '[');
	return open ? path_format(word, size, "%.*s", (int)strcspn(open + 1, "]"), open + 1) :
		      -EBADMSG;
}

int hugepages_withhold(const char *choice_path)
{
	_cleanup_free_ char *cmdline = NULL, *said = NULL;
	char selected[16];
	int r;

	if (!were_dropped()) {
		r = read_selected(selected, sizeof(selected));
		if (r)
			return r == -ENOENT ? 0 : r;
		r = note_choice(choice_path, selected);
		return r ? r : write_text(THP "enabled", "never");
	}
	r = file_read("/proc/cmdline", &cmdline, NULL);
	if (!r)
		r = param_value(cmdline, "transparent_hugepage", &said);
	return r || !said ? r : note_choice(choice_path, said);
}

int hugepages_allow(const char *choice_path)
{
	_cleanup_free_ char *choice = NULL;
	char selected[16];
	int r = read_selected(selected, sizeof(selected));

	if (!r)
		r = file_read(choice_path, &choice, NULL);
	/* A kernel that has none, or a boot without an update. */
	if (r)
		return r == -ENOENT ? 0 : r;
	if (were_dropped()) {
		r = write_text(THP "defrag", "madvise");
		if (!r)
			r = write_text(THP "use_zero_page", "1");
		if (!r)
			r = write_text(THP "khugepaged/defrag", "1");
	}
	/* Last: this starts khugepaged. */
	return r ? r : write_text(THP "enabled", choice);
}
