// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives lib/apps by hand, without the rest of an update:
 *   app-dev check UNIT|PID           the reasons against carrying it
 *   app-dev save UNIT|PID DIR        app_save()
 *   app-dev dump UNIT|PID DIR        app_dump(); prints the ranges left to us
 *   app-dev continue UNIT|PID        app_continue()
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/apps/app.h"

static int find(const char *what, struct app *app, struct error *err)
{
	return isdigit((unsigned char)what[0]) ? app_find_program(atoi(what), app, err) :
						 app_find_service(what, app, err);
}

static int dump(struct app *app, const char *dir, struct error *err)
{
	struct app_memory *memory;
	size_t nr;
	int r;

	r = app_dump(app, dir, &memory, &nr, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nr; i++) {
		unsigned long long bytes = 0;

		for (size_t k = 0; k < memory[i].nr_ranges; k++)
			bytes += memory[i].ranges[k].len;
		printf("%d: %zu ranges, %llu pages\n", memory[i].pid, memory[i].nr_ranges,
		       bytes / NVWA_PAGE_SIZE);
	}
	app_memory_free(memory, nr);

	return 0;
}

int main(int argc, char **argv)
{
	struct error err = { "" };
	struct app app = { 0 };
	int r;

	if (argc < 3)
		return 2;
	r = find(argv[2], &app, &err);
	if (r < 0)
		goto out;
	if (!strcmp(argv[1], "dump") && argc == 4)
		r = dump(&app, argv[3], &err);
	else if (!strcmp(argv[1], "continue"))
		r = app_continue(&app);
	else
		r = -EINVAL;
out:
	if (r < 0)
		fprintf(stderr, "%s: %s\n", strerror(-r), err.text);
	app_free(&app);
	return r < 0;
}
