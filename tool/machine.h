/* SPDX-License-Identifier: GPL-2.0-only */
/* What this machine and its running kernel allow. */
#ifndef NVWA_TOOL_MACHINE_H
#define NVWA_TOOL_MACHINE_H

#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"

/*
 * What forbids modules and kernels of our own: each function refuses with
 * -EPERM and says why. sysroot is "" except in tests.
 */
typedef int (*machine_lock_fn)(const char *sysroot, struct error *err);
extern const machine_lock_fn machine_locks[];
extern const size_t machine_nr_locks;

/* Load nvwa.ko into the running kernel, unless it is there. */
int machine_load_module(struct error *err);

/*
 * Why times taken from the TSC are not exact on this machine: a phrase, or NULL if they
 * are.
 */
const char *machine_clock_doubt(const char *sysroot);

/* Of /proc/meminfo, in bytes: what programs could still be given, and what is in the swap space. */
int machine_memory(const char *sysroot, uint64_t *available, uint64_t *swap_used);

#endif
