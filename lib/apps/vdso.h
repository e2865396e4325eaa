/* SPDX-License-Identifier: GPL-2.0-only */
/* The code that a kernel maps into every process, vdso(7), as it lies in memory. */
#ifndef NVWA_APPS_VDSO_H
#define NVWA_APPS_VDSO_H

#include <stddef.h>
#include <stdint.h>

/*
 * Make a function of a vdso a plain system call, in a copy of its memory.
 * -ENOENT: it has no such function; -EBADMSG: this is no vdso.
 */
int vdso_make_syscall(uint8_t *image, size_t len, const char *function, uint32_t nr);

#endif
