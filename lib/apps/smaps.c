// SPDX-License-Identifier: GPL-2.0-only
/* The mappings of a process with their flags. */
#include "lib/apps/smaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

bool flags_have(const char *flags, const char *flag)
{
	for (const char *at = flags; (at = strstr(at, flag)); at += 2)
		if (at == flags || at[-1] == ' ')
			return true;

	return false;
}

bool mapping_has(const struct mapping *m, const char *flag)
{
	return flags_have(m->flags, flag);
}

/* Many lines a mapping; the last one is that of its flags. */
static int read_line(struct mapping *m, const char *line, mapping_fn f, void *ctx)
{
	uint64_t start, end;
	char perms[5];
	int name = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &start, &end, perms,
		   &name) == 3 && name) {
		*m = (struct mapping){ .start = start, .end = end };
		memcpy(m->perms, perms, sizeof(perms));
		snprintf(m->name, sizeof(m->name), "%s", line + name);
	} else if (!strncmp(line, "VmFlags:", 8)) {
		m->flags = line + 8;
		return f(ctx, m);
	} else {
		sscanf(line, "ProtectionKey: %u", &m->key);
	}

	return 0;
}

int smaps_read(pid_t pid, mapping_fn f, void *ctx)
{
	_cleanup_free_ char *text = NULL;
	struct mapping m = { 0 };
	char path[64], *line, *rest;
	int r;

	r = path_format(path, sizeof(path), "/proc/%d/smaps", pid);
	if (!r)
		r = file_read(path, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	rest = text;
	while (!r && (line = strsep(&rest, "\n")))
		r = read_line(&m, line, f, ctx);

	return r;
}
