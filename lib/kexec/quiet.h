/* SPDX-License-Identifier: GPL-2.0-only */
/* Which devices the jump only quiets, and which are shut down in full before it. */
#ifndef NVWA_KEXEC_QUIET_H
#define NVWA_KEXEC_QUIET_H

#include <stdbool.h>
#include <stddef.h>
#include "uapi/nvwa.h"
#include "lib/base/error.h"

/* The owner's word: names of PCI drivers, in one of the lists at most. */
struct quiet_wish {
	bool none;		/* all in full, whatever the lists say */
	char **full;
	size_t nr_full;
	char **quiet;
	size_t nr_quiet;
};

struct quiet_driver {
	char name[NVWA_DRIVER_NAME_LEN];
	bool quiet;
	const char *why;	/* never freed */
};

/*
 * The PCI drivers that have a device in this machine, bridges left out, by
 * name. *drivers is malloc()ed.
 */
int quiet_choose(const char *sysroot, const struct quiet_wish *wish,
		 struct quiet_driver **drivers, size_t *nr, struct error *err);

#endif
