// SPDX-License-Identifier: GPL-2.0-only
/* Putting back what hugepage_init() drops in little RAM. */
#include "lib/kexec/hugepages.h"

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

int hugepages_allow(const char *choice_path)
{
	_cleanup_free_ char *cmdline = NULL, *said = NULL, *configured = NULL;
	int r;

	if (!were_dropped())
		return 0;
	r = file_read("/proc/cmdline", &cmdline, NULL);
	if (!r)
		r = param_value(cmdline, "transparent_hugepage", &said);
	if (!r && !said)
		r = file_read(choice_path, &configured, NULL);
	if (!r)
		r = write_text(THP "defrag", "madvise");
	if (!r)
		r = write_text(THP "use_zero_page", "1");
	if (!r)
		r = write_text(THP "khugepaged/defrag", "1");
	/* Last: this starts khugepaged. */
	if (!r)
		r = write_text(THP "enabled", said ?: configured);
	return r;
}
