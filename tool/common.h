/* SPDX-License-Identifier: GPL-2.0-only */
/* What every verb uses: exit codes, arguments, messages, the lock against a second update. */
#ifndef NVWA_TOOL_COMMON_H
#define NVWA_TOOL_COMMON_H

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include "lib/base/error.h"

/*
 * Exit codes are interface; nvwa(8) documents them and lint compares. From
 * EXIT_REFUSED on, and for the codes below EXIT_NOT_UPDATED, nothing was
 * touched. stdlib.h has EXIT_FAILURE (1): something failed; programs run on.
 */
enum exit_code {
	EXIT_OK = 0,
	EXIT_USAGE = 2,		/* the command line is wrong */
	EXIT_REFUSED = 3,	/* refused for reasons of several of the kinds below */
	EXIT_NOT_UPDATED = 4,	/* the update was begun and undone; programs run on */
	EXIT_CONFIG = 5,	/* a configuration file is wrong */
	EXIT_BUSY = 6,		/* another update is in progress */
	EXIT_ROOT = 7,		/* not called by root */
	EXIT_RELEASE = 8,	/* the release is unknown or not installed */
	EXIT_SAME = 9,		/* the release is the running one, and no --force */
	EXIT_MODULE = 10,	/* nvwa.ko is missing for the target or the running kernel */
	EXIT_CRIU = 11,		/* CRIU is missing or too old for the target */
	EXIT_LOCKDOWN = 12,	/* lockdown, Secure Boot, or kexec switched off */
	EXIT_ABSENT = 13,	/* a service or PID to be carried does not exist */
	EXIT_UNCARRIABLE = 14,	/* a program holds what cannot be carried */
	EXIT_MEMORY = 15,	/* too little memory for the scratch, or in it */
	EXIT_IMAGE = 16,	/* the target's image is no kernel, truncated or damaged */
	EXIT_TARGET = 17,	/* the target cannot take over for another reason */
};

/* The word for an exit code, as in the JSON output and nvwa(8); NULL if there is no such code. */
const char *exit_word(int code);

/* Print "nvwa: ...\n" to the standard error. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What a verb about a release was called with. */
struct release_args {
	const char *release;	/* NULL: none was named */
	const char *config;	/* --config, or NULL */
	bool force, json, dry_run, remove;
};

/*
 * Take apart what a verb was called with: a release at most, and those of the options above
 * that are in its table, by their letters (f, j, n, r, c, h); letters are what it takes as
 * short options. -1 if the verb goes on, otherwise its exit code.
 */
int release_args_parse(const char *verb, int argc, char **argv, const struct option *options,
		       const char *letters, struct release_args *args);

#define LOCK_FILE	"/run/nvwa.lock"

/*
 * Take the lock that an update holds from its check to its end, and return
 * its descriptor; closing it gives the lock back. -EBUSY: an update is under way.
 */
int lock_take(struct error *err);

/* Whether somebody holds it; asking is in nobody's way. */
bool lock_is_held(void);

#endif
