/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel command line: what of the running kernel's is passed on, and what is added. */
#ifndef NVWA_KEXEC_CMDLINE_H
#define NVWA_KEXEC_CMDLINE_H

#include <stdbool.h>
#include "lib/base/error.h"

/* Was this the command line of a kernel that nvwa started? */
bool cmdline_is_ours(const char *cmdline);

/*
 * The next kernel's command line, made from the running one's; malloc()ed.
 * The same whether the running kernel was started by a boot loader or by
 * nvwa. tsc_khz may be 0. sysroot is "" except in tests.
 */
int cmdline_next(const char *sysroot, unsigned int tsc_khz, char **next, struct error *err);

#endif
