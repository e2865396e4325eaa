/* SPDX-License-Identifier: GPL-2.0-only */
/* The mappings of a process with their flags, as /proc/PID/smaps shows them. */
#ifndef NVWA_APPS_SMAPS_H
#define NVWA_APPS_SMAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint64_t start, end;
	char perms[5];		/* "rw-p" */
	char name[256];		/* "" if it has none; a long path is cut */
	unsigned int key;	/* of protection, 0 if it has none */
	const char *flags;	/* "VmFlags:", words of two letters */
};

/*
 * Call f for every mapping, upwards, until it returns something else than 0,
 * which is returned. -ESRCH: no such process.
 */
typedef int (*mapping_fn)(void *ctx, const struct mapping *m);
int smaps_read(pid_t pid, mapping_fn f, void *ctx);

/* Is a flag (Documentation/filesystems/proc.rst lists them) among these words of two letters? */
bool flags_have(const char *flags, const char *flag);
bool mapping_has(const struct mapping *m, const char *flag);

#endif
