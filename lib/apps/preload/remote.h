/* SPDX-License-Identifier: GPL-2.0-only */
/* System calls made by a process that we trace. */
#ifndef NVWA_APPS_PRELOAD_REMOTE_H
#define NVWA_APPS_PRELOAD_REMOTE_H

#include <sys/types.h>

/*
 * Have a stopped 64-bit process that this one traces make a system call; it is
 * left as it was otherwise. Returns what the kernel returned to it, or
 * -ENOTRECOVERABLE if the call could not be made.
 */
long remote_syscall(pid_t pid, long nr, const unsigned long args[6]);

#endif
