/* SPDX-License-Identifier: GPL-2.0-only */
/* A short /proc/PID/smaps. */
#ifndef NVWA_APPS_PRELOAD_SMAPS_ABRIDGED_H
#define NVWA_APPS_PRELOAD_SMAPS_ABRIDGED_H

#include <sys/types.h>

/*
 * A descriptor from which can be read, for each mapping of a stopped process
 * (its directory in /proc is open as dir), the line of smaps that names it and
 * the one with its flags, as the module (keeper) tells them; what is shared does
 * not look executable. -1: errno says why.
 */
int smaps_abridged(int keeper, int dir, pid_t pid);

#endif
