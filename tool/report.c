// SPDX-License-Identifier: GPL-2.0-only
/* nvwa report: where the time of the last update went. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/json.h"
#include "tool/carry.h"
#include "tool/common.h"
#include "tool/timeline.h"
#include "tool/verbs.h"

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "svg", required_argument, NULL, 's' },
	{ "file", required_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ },
};

static int draw(const struct timeline *t, const char *path)
{
	FILE *out = fopen(path, "we");
	bool bad;

	if (!out) {
		complain("cannot write %s: %s", path, strerror(errno));
		return EXIT_FAILURE;
	}
	timeline_draw(t, out);
	bad = ferror(out);
	if (fclose(out) || bad) {
		complain("cannot write %s: %s", path, strerror(errno));
		return EXIT_FAILURE;
	}

	return EXIT_OK;
}

static int show(struct json_object *report, const char *path, bool json, const char *svg)
{
	struct timeline t;
	int status = EXIT_OK, r;

	r = timeline_read(&t, report);
	if (r < 0) {
		complain("%s has no time line: %s", path, r == -ENODATA ?
			 "it is not the report of an update that got to a new kernel" :
			 strerror(-r));
		status = EXIT_FAILURE;
	} else if (svg) {
		status = draw(&t, svg);
	} else if (json) {
		struct json_object *o = timeline_json(&t);

		puts(json_format(o));
		json_object_put(o);
	} else {
		timeline_print(&t, stdout);
	}
	timeline_free(&t);

	return status;
}

int verb_report(int argc, char **argv)
{
	const char *svg = NULL, *file = NULL, *path;
	struct json_object *report;
	bool json = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 's':
			svg = optarg;
			break;
		case 'f':
			file = optarg;
			break;
		case 'h':
			return verb_usage("report");
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		complain("report takes no argument, but was given %s", argv[optind]);
		return EXIT_USAGE;
	}
	if (json && svg) {
		complain("report prints JSON or draws, not both at once");
		return EXIT_USAGE;
	}
	path = file ?: CARRY_LAST;
	if (access(path, R_OK) < 0) {
		complain("cannot read %s: %s", path, !file && errno == ENOENT ?
			 "there was no update of this machine yet" : strerror(errno));
		return EXIT_FAILURE;
	}
	report = json_object_from_file(path);
	if (!report) {
		complain("%s is no JSON", path);
		return EXIT_FAILURE;
	}
	status = show(report, path, json, svg);
	json_object_put(report);

	return status;
}
