/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs of the nvwa command. Help, man page and completion follow this table. */
#ifndef NVWA_TOOL_VERBS_H
#define NVWA_TOOL_VERBS_H

#include <stdbool.h>

struct verb_flag {
	const char *name;	/* "--json", or "--config FILE" if it takes a value */
	const char *summary;
};

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);	/* argv[0] is "nvwa VERB"; returns an exit code */
	const char *arguments;	/* "[RELEASE]", or "" */
	const char *summary;	/* one line, no full stop */
	const struct verb_flag *flags;	/* ended by an empty one; --help is implied */
	bool hidden;		/* called by our own units, not by people */
};

/* Ended by an entry without a name. */
extern const struct verb verbs[];

const struct verb *verb_find(const char *name);

/* Print the help of a verb to the standard output; returns EXIT_OK. */
int verb_usage(const char *name);

int verb_check(int argc, char **argv);
int verb_prepare(int argc, char **argv);
int verb_update(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_report(int argc, char **argv);
int verb_init(int argc, char **argv);
int verb_resume(int argc, char **argv);
int verb_help(int argc, char **argv);
int verb_version(int argc, char **argv);

#endif
