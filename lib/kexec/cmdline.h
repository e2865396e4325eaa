/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel command line: what of the running kernel's is passed on, and what is added. */
#ifndef NVWA_KEXEC_CMDLINE_H
#define NVWA_KEXEC_CMDLINE_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/base/error.h"

/* Was this the command line of a kernel that nvwa started? */
bool cmdline_is_ours(const char *cmdline);

/*
 * What cannot be given to a kernel that boots in the scratch stays on its
 * command line with this before its name, which no kernel heeds: for settle,
 * and for the next update.
 */
#define CMDLINE_KEPT	"nvwa_boot."

/* What the next kernel must be told; 0: not known. */
struct cmdline_facts {
	unsigned int tsc_khz;
	uint64_t ram, scratch;	/* bytes */
	const char *extra;	/* that this machine's owner wants besides, or NULL */
};

/* Can these words be added? If not, err has what was found, without a full stop. */
int cmdline_check_extra(const char *extra, struct error *err);

/*
 * The next kernel's command line, made from the running one's; malloc()ed.
 * The same whether the running kernel was started by a boot loader or by
 * nvwa. -EOPNOTSUPP: a word of it stands against an update, and err says which.
 * sysroot is "" except in tests.
 */
int cmdline_next(const char *sysroot, const struct cmdline_facts *facts, char **next,
		 struct error *err);

/*
 * In a kernel whose update came to nothing: a panic or a hang is again what it is by the
 * kernel's own default, where nvwa has said otherwise and not the machine's owner.
 */
void cmdline_lift_guards(const char *sysroot);

#endif
