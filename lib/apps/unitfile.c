// SPDX-License-Identifier: GPL-2.0-only
/* The unit that stands in for a carried service. */
#include "lib/apps/unitfile.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/paths.h"
#include "lib/base/cleanup.h"

/*
 * Of [Unit] only what describes it and what its directories need: everything
 * else is about when and whether to start, and that is not a question here.
 */
static const char *const kept_of_unit[] = {
	"Description", "Documentation", "RequiresMountsFor", "WantsMountsFor", NULL,
};

/* Of [Service] everything but how the program is started, watched and started again. */
static const char *const dropped_of_service[] = {
	"Type", "ExecStart", "ExecStartPre", "ExecStartPost", "ExecCondition", "PIDFile",
	"BusName", "Restart", "RestartSec", "RestartSteps", "RestartMaxDelaySec", "RestartMode",
	"RestartPreventExitStatus", "RestartForceExitStatus", "SuccessExitStatus",
	"NotifyAccess", "RemainAfterExit", "GuessMainPID", "ExitType", "TimeoutSec",
	"TimeoutStartSec", "TimeoutStartFailureMode", "RuntimeMaxSec",
	"RuntimeRandomizedExtraSec", "WatchdogSec", "Sockets", "FileDescriptorStoreMax",
	"FileDescriptorStorePreserve", "OpenFile", "StartLimitInterval", "StartLimitBurst",
	"StartLimitAction", "FailureAction", "RebootArgument", "NonBlocking",
	"RootDirectoryStartOnly", "PermissionsStartOnly", NULL,
};

enum section { SECTION_OTHER, SECTION_UNIT, SECTION_SERVICE };

struct transform {
	FILE *out;
	enum section section, written;
	bool has_identifier;	/* SyslogIdentifier= is set */
	bool restricts_exec;	/* NoExecPaths= is set */
	bool allows_exec;	/* ExecPaths= covers the placeholder */
	char program[256];	/* base name of the program of the last ExecStart= */
};

static bool in_list(const char *const *list, const char *key, size_t len)
{
	for (; *list; list++) {
		if (strlen(*list) == len && !strncmp(*list, key, len))
			return true;
	}

	return false;
}

static bool key_is(const char *key, size_t len, const char *name)
{
	const char *const list[] = { name, NULL };

	return in_list(list, key, len);
}

static enum section parse_section(const char *line)
{
	if (!strncmp(line, "[Unit]", 6))
		return SECTION_UNIT;
	if (!strncmp(line, "[Service]", 9))
		return SECTION_SERVICE;
	return SECTION_OTHER;
}

/* The program's base name; prefixes such as "-" or "+" are no part of it. */
static void note_program(struct transform *t, const char *value)
{
	size_t len;
	const char *start;

	value += strspn(value, "-@:+!|\"");
	len = strcspn(value, " \t\"");
	start = memrchr(value, '/', len);
	start = start ? start + 1 : value;
	len -= start - value;
	if (len && len < sizeof(t->program))
		snprintf(t->program, sizeof(t->program), "%.*s", (int)len, start);
}

static bool is_below(const char *path, const char *dir, size_t len)
{
	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (len == 1 && dir[0] == '/')
		return true;
	return !strncmp(path, dir, len) && (path[len] == '/' || !path[len]);
}

static void note_exec_paths(struct transform *t, const char *value)
{
	for (;;) {
		size_t len;

		value += strspn(value, " \t\"");
		len = strcspn(value, " \t\"");
		if (!len)
			return;
		/* A leading "-" or "+" changes how the path is taken, not which it is. */
		if (strchr("-+", *value)) {
			value++;
			len--;
		}
		if (is_below(app_paths()->placeholder, value, len))
			t->allows_exec = true;
		value += len;
	}
}

static void note_assignment(struct transform *t, const char *key, size_t len, const char *value)
{
	if (key_is(key, len, "SyslogIdentifier"))
		t->has_identifier = *value;
	else if (key_is(key, len, "ExecStart"))
		note_program(t, value);
	else if (key_is(key, len, "NoExecPaths"))
		t->restricts_exec = *value;
	else if (key_is(key, len, "ExecPaths") && !*value)
		t->allows_exec = false;
	else if (key_is(key, len, "ExecPaths"))
		note_exec_paths(t, value);
}

/* Whether an assignment (up to its end of line) goes into the stand-in. */
static bool keeps(struct transform *t, const char *line)
{
	const char *equals = strchr(line, '=');
	size_t len;

	if (!equals)
		return false;
	for (len = equals - line; len && isblank((unsigned char)line[len - 1]);)
		len--;
	if (t->section == SECTION_UNIT)
		return in_list(kept_of_unit, line, len);
	if (t->section != SECTION_SERVICE)
		return false;
	note_assignment(t, line, len, equals + 1 + strspn(equals + 1, " \t"));

	return !in_list(dropped_of_service, line, len);
}

static void write_line(struct transform *t, const char *line)
{
	if (t->written != t->section)
		fputs(t->section == SECTION_UNIT ? "[Unit]\n" : "[Service]\n", t->out);
	t->written = t->section;
	fprintf(t->out, "%s\n", line);
}

static int transform_source(struct transform *t, const char *source)
{
	_cleanup_free_ char *copy = strdup(source);
	bool continued = false, keep = false;
	char *line, *rest = copy;

	if (!copy)
		return -ENOMEM;
	t->section = SECTION_OTHER;

	while ((line = strsep(&rest, "\n"))) {
		size_t len = strlen(line);

		if (len && line[len - 1] == '\r')
			line[--len] = '\0';
		if (!continued)
			line += strspn(line, " \t");
		/* Comments may stand between the parts of a continued line. */
		if (strchr("#;", line[strspn(line, " \t")]) && line[strspn(line, " \t")])
			continue;
		if (!continued && *line == '[') {
			t->section = parse_section(line);
			continue;
		}
		if (!continued)
			keep = *line && keeps(t, line);
		if (keep)
			write_line(t, line);
		len = strlen(line);
		continued = len && line[len - 1] == '\\';
	}
	/* A backslash at the very end must not swallow what we add. */
	if (continued && keep)
		fputc('\n', t->out);

	return 0;
}

static void write_additions(struct transform *t)
{
	fputs("[Unit]\n"
	      "DefaultDependencies=no\n"
	      "Wants=nvwa-ready.target\n"
	      "After=nvwa-ready.target\n"
	      "Before=nvwa-resume.service shutdown.target\n"
	      "Conflicts=shutdown.target\n"
	      "OnFailure=nvwa-fresh@%n.service\n"
	      "[Service]\n"
	      "Type=exec\n"
	      "NotifyAccess=all\n"
	      "Restart=no\n"
	      "TimeoutStartSec=180\n", t->out);
	fprintf(t->out, "ExecStart=%s\n", app_paths()->placeholder);
	fprintf(t->out, "ExecStartPost=+%s resume --unit %%n\n", app_paths()->nvwa);
	/* The journal's stream carries the name of the program that systemd started. */
	if (!t->has_identifier && *t->program)
		fprintf(t->out, "SyslogIdentifier=%s\n", t->program);
	if (t->restricts_exec && !t->allows_exec)
		fprintf(t->out, "ExecPaths=%s\n", app_paths()->placeholder);
}

int unitfile_transform(const char *const *sources, size_t nr, char **text)
{
	struct transform t = { 0 };
	char *buffer = NULL;
	size_t size;
	int r = 0;

	t.out = open_memstream(&buffer, &size);
	if (!t.out)
		return -ENOMEM;
	fputs("# Made by nvwa for the first boot after an update; gone when it has settled.\n",
	      t.out);
	for (size_t i = 0; !r && i < nr; i++)
		r = transform_source(&t, sources[i]);
	write_additions(&t);
	if (fclose(t.out) && !r)
		r = -ENOMEM;
	if (r < 0) {
		free(buffer);
		return r;
	}

	*text = buffer;
	return 0;
}
