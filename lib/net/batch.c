// SPDX-License-Identifier: GPL-2.0-only
/* Commands of ip(8), each of which stands by itself. */
#include "lib/net/batch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/strv.h"

/*
 * With -force, ip(8) goes on where the kernel refuses a line, and still ends where it does not
 * understand one. So each line is followed by this one, which always fails, and says so: that shows
 * how far it came.
 */
#define BEACON		"link show dev nvwa-none\n"

/* What it says after the words on a line that has failed: its file, a colon, the line's number. */
#define FAILED		"Command failed "

/* As many at a time: what it says of them is to fit into what command_run() returns. */
#define PIECE		256

/* What came of a run. */
struct progress {
	size_t done;		/* lines that it came past */
	size_t failed;		/* of those, lines that failed */
	size_t first;		/* the first of them */
	char why[200];		/* what ip(8) said of that */
};

static void note_failure(struct progress *p, size_t line, const char *why)
{
	if (!p->failed++) {
		p->first = line;
		snprintf(p->why, sizeof(p->why), "%s", why);
	}
}

/* nr: of the lines that it was given. */
static void read_output(char *output, size_t nr, struct progress *p)
{
	const char *said = "";
	char *line;

	while ((line = strsep(&output, "\n"))) {
		const char *colon = strrchr(line, ':');
		size_t number = colon ? strtoul(colon + 1, NULL, 10) : 0;

		if (strncmp(line, FAILED, strlen(FAILED)) || !number) {
			said = *line ? line : said;
			continue;
		}
		if (number % 2 == 0)
			p->done = number / 2;
		else if (!strstr(said, "File exists"))
			note_failure(p, number / 2, said);
		said = "";
	}
	/* It has ended at the next one. */
	if (p->done < nr)
		note_failure(p, p->done++, said);
}

/* '4', '6', or 0 for none. It holds for all that ip(8) is given at a time. */
static char family_of(const char *line)
{
	return line[0] == '-' ? line[1] : 0;
}

/*
 * Carry out the first of nr lines, those of one family, up to one that ip(8) does not understand.
 */
static int run(const char *file, char **lines, size_t nr, struct progress *p)
{
	const char family = family_of(lines[0]);
	const size_t skip = family ? strlen("-4 ") : 0;
	char *const argv[] = {
		"ip", family == '6' ? "-6" : family ? "-4" : "-force", "-force", "-batch",
		(char *)file, NULL
	};
	_cleanup_free_ char *text = NULL, *output = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	size_t given = 0, len;
	int r;

	f = open_memstream(&text, &len);
	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < nr && i < PIECE && family_of(lines[i]) == family; i++, given++)
		fprintf(f, "%s\n" BEACON, lines[i] + skip);
	if (fflush(f))
		return -ENOMEM;
	r = file_write(file, text, len, 0600);
	if (r == 0)
		r = command_run(argv, &output);
	if (r < 0)
		return r;
	read_output(output, given, p);
	return 0;
}

static int split(const char *text, char ***lines, size_t *nr)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;
	int r = copy ? 0 : -ENOMEM;

	*nr = 0;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		r = strv_append(lines, line);
		++*nr;
	}
	return r;
}

int batch_run(const char *file, const char *text, struct error *err)
{
	_cleanup_strv_ char **lines = NULL;
	struct error first = { 0 };
	size_t failed = 0, nr;
	int r = split(text, &lines, &nr);

	for (size_t at = 0; r == 0 && at < nr;) {
		struct progress p = { 0 };

		r = run(file, lines + at, nr - at, &p);
		if (r == 0 && p.failed)
			error_set(&first, EIO, "'ip %s': %s", lines[at + p.first], p.why);
		failed += p.failed;
		at += p.done;
	}
	if (r < 0)
		return error_set(err, -r, "ip(8) cannot be run: %s", strerror(-r));
	return failed ? error_set(err, EIO, "%zu of the commands that put back the network's "
				  "links, addresses and routes failed, the first is %s", failed,
				  first.text) : 0;
}
