/* SPDX-License-Identifier: GPL-2.0-only */
/* Asynchronous I/O of processes that are stopped. */
#ifndef NVWA_APPS_PRELOAD_DRAIN_H
#define NVWA_APPS_PRELOAD_DRAIN_H

#include <sys/types.h>

/* This process or thread is stopped from now on. */
void drain_note(pid_t pid);

/*
 * Wait until no process that was noted has I/O under way, as the module (keeper) tells;
 * once for each. -1: errno says why, and standard error has it in words.
 */
int drain_wait(int keeper);

#endif
