// SPDX-License-Identifier: GPL-2.0-only
/* The nvwa command: the table of verbs, and the help that comes from it. */
#include <stdio.h>
#include <string.h>

#include "tool/common.h"
#include "tool/verbs.h"

#define FLAG_CONFIG { "--config FILE", "read FILE instead of /etc/nvwa/nvwa-restore.yaml" }
#define FLAG_JSON { "--json", "print JSON" }

const struct verb verbs[] = {
	{
		"check", verb_check, "[RELEASE]",
		"say whether an update could be done, and what stands against it",
		(const struct verb_flag[]) {
			{ "--force", "do not mind that RELEASE runs, or failed the last time" },
			FLAG_JSON,
			FLAG_CONFIG,
			{ },
		}, false,
	}, {
		"prepare", verb_prepare, "[RELEASE]",
		"do what takes long of an update beforehand, and keep it",
		(const struct verb_flag[]) {
			{ "--force", "do not mind that RELEASE runs, or failed the last time" },
			{ "--remove", "remove what is kept" },
			FLAG_CONFIG,
			{ },
		}, false,
	}, {
		"update", verb_update, "[RELEASE]",
		"change to another kernel; what is configured runs on",
		(const struct verb_flag[]) {
			{ "--dry-run", "only check" },
			{ "--force", "do not mind that RELEASE runs, or failed the last time" },
			FLAG_CONFIG,
			{ },
		}, false,
	}, {
		"status", verb_status, "",
		"show what runs, and what came of the last update",
		(const struct verb_flag[]) { FLAG_JSON, FLAG_CONFIG, { } }, false,
	}, {
		"report", verb_report, "",
		"show where the time of the last update went",
		(const struct verb_flag[]) {
			FLAG_JSON,
			{ "--svg FILE", "draw it into FILE" },
			{ "--file REPORT", "of another report than /var/lib/nvwa/last.json" },
			{ },
		}, false,
	}, {
		"init", verb_init, "",
		"clean up what an interrupted update left behind",
		(const struct verb_flag[]) { { } }, false,
	}, {
		"resume", verb_resume, "",
		"bring programs back in the new kernel (called during an update)",
		(const struct verb_flag[]) {
			{ "--ahead", "restore programs that need not wait for systemd" },
			{ "--scopes", "tell systemd of the programs that went ahead" },
			{ "--filter", "let packets pass if the packet filter has its rules" },
			{ "--open", "let packets pass" },
			{ "--files", "put back files in shared temporary directories" },
			{ "--warm", "have CRIU look at this kernel" },
			{ "--net", "bring back addresses and routes" },
			{ "--unit NAME", "restore a service" },
			{ "--fresh NAME", "start a service afresh that could not be restored" },
			{ "--programs", "restore programs that are no services" },
			{ "--memory", "add the remaining memory" },
			{ "--rest TARGET", "start the rest of the boot" },
			{ "--settle", "end what was for this boot only, and write the report" },
			{ },
		}, true,
	}, {
		"help", verb_help, "[VERB]", "show this help, or that of a verb",
		(const struct verb_flag[]) { { } }, false,
	}, {
		"version", verb_version, "", "show the version",
		(const struct verb_flag[]) { { } }, false,
	},
	{ },
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

int verb_usage(const char *name)
{
	const struct verb *v = verb_find(name);

	printf("usage: nvwa %s%s%s%s\n\n%c%s.\n", v->name, v->flags->name ? " [OPTIONS]" : "",
	       *v->arguments ? " " : "", v->arguments, v->summary[0] - 'a' + 'A', v->summary + 1);
	if (v->flags->name)
		printf("\n");
	for (const struct verb_flag *f = v->flags; f->name; f++)
		printf("  %-16s %s\n", f->name, f->summary);
	return EXIT_OK;
}

static void usage(FILE *out)
{
	fprintf(out, "usage: nvwa VERB [OPTIONS]\n\n"
		"Replace the running kernel without ending the programs that run on it.\n\n");
	for (const struct verb *v = verbs; v->name; v++)
		if (!v->hidden)
			fprintf(out, "  %-8s %-10s %s\n", v->name, v->arguments, v->summary);
	fprintf(out, "\nEach verb takes --help. Exit codes and files: nvwa(8).\n");
}

int verb_help(int argc, char **argv)
{
	if (argc < 2) {
		usage(stdout);
		return EXIT_OK;
	}
	if (argc > 2 || !verb_find(argv[1])) {
		complain("help takes the name of one verb. See: nvwa help");
		return EXIT_USAGE;
	}
	return verb_usage(argv[1]);
}

int verb_version(int argc, char **argv)
{
	if (argc > 1) {
		complain("version takes no argument, but was given %s", argv[1]);
		return EXIT_USAGE;
	}
	printf("nvwa %s\n", NVWA_VERSION);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	const struct verb *v;
	char name[32];

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return verb_version(1, argv);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return verb_help(1, argv);
	v = verb_find(argv[1]);
	if (!v) {
		complain("there is no verb %s. See: nvwa help", argv[1]);
		return EXIT_USAGE;
	}
	if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return verb_usage(v->name);
	/* What getopt_long() puts before its messages. */
	snprintf(name, sizeof(name), "nvwa %s", v->name);
	argv[1] = name;
	return v->run(argc - 1, argv + 1);
}
