/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of each word of a kernel's command line at an update; doc/cmdline.md lists it. */
#ifndef NVWA_KEXEC_FATE_H
#define NVWA_KEXEC_FATE_H

#include <stddef.h>

enum fate {
	FATE_PASS,	/* goes on to the next kernel */
	FATE_SAME,	/* the same, as programs were begun under it: none can be added */
	FATE_STRIP,	/* does not go on */
	FATE_KEEP,	/* goes on under a name that no kernel heeds, see CMDLINE_KEPT */
	FATE_REFUSE,	/* no update with it */
};

/* Of one word as param_next() gives it; *why says why unless it is FATE_PASS. */
enum fate fate_of(const char *token, size_t len, const char **why);

#endif
