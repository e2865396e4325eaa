// SPDX-License-Identifier: GPL-2.0-only
/* What ifupdown does in the first boot after an update. */
#include "lib/apps/ifupdown.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"

#define OWN_DIR		"/etc/systemd/system"
#define PACKAGE_DIR	"/usr/lib/systemd/system"

/* For what has "auto" in interfaces(5), and for what has "allow-hotplug". */
static const char *const units[] = { "networking.service", "ifup@.service" };

#define COMMAND		"ifup -"
#define TOLERANT	"ifup --ignore-errors -"

static void put_tolerant(FILE *out, const char *line)
{
	const char *at;

	while ((at = strstr(line, COMMAND))) {
		fprintf(out, "%.*s" TOLERANT, (int)(at - line), line);
		line = at + strlen(COMMAND);
	}
	fprintf(out, "%s\n", line);
}

/* The commands of a unit with that option, as a drop-in; 0 if it has none of that kind. */
static int make_dropin(char *unit, char **text)
{
	_cleanup_fclose_ FILE *out = NULL;
	bool found = false;
	char *line;
	size_t len;

	out = open_memstream(text, &len);
	if (!out)
		return -ENOMEM;
	fputs("[Service]\nExecStart=\n", out);
	while ((line = strsep(&unit, "\n"))) {
		if (strncmp(line, "ExecStart=", strlen("ExecStart=")))
			continue;
		/* It goes on in the next line: nothing that a package has. */
		if (strchr(line, '\\'))
			return 0;
		found |= strstr(line, COMMAND) != NULL;
		put_tolerant(out, line);
	}
	if (fflush(out))
		return -ENOMEM;

	return found;
}

static int generate(const char *root, const char *early, const char *unit)
{
	_cleanup_free_ char *text = NULL, *dropin = NULL;
	char path[PATH_MAX];
	int r;

	/* Its owner has it do something else: we do not know what. */
	r = path_format(path, sizeof(path), "%s" OWN_DIR "/%s", root, unit);
	if (r < 0 || !access(path, F_OK))
		return r;
	r = path_format(path, sizeof(path), "%s" OWN_DIR "/%s.d", root, unit);
	if (r < 0 || !access(path, F_OK))
		return r;
	r = path_format(path, sizeof(path), "%s" PACKAGE_DIR "/%s", root, unit);
	if (!r)
		r = file_read(path, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = make_dropin(text, &dropin);
	if (r <= 0)
		return r;
	r = path_format(path, sizeof(path), "%s/%s.d/nvwa.conf", early, unit);

	return r < 0 ? r : file_write(path, dropin, strlen(dropin), 0644);
}

int ifupdown_generate(const char *root, const char *early)
{
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(units) / sizeof(units[0]); i++)
		r = generate(root, early, units[i]);

	return r;
}
