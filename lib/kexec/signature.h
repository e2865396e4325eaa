/* SPDX-License-Identifier: GPL-2.0-only */
/* The signature at the end of a kernel module. */
#ifndef NVWA_KEXEC_SIGNATURE_H
#define NVWA_KEXEC_SIGNATURE_H

#include <stddef.h>

/* How many bytes of a module are the module itself: all len if it has no signature. */
size_t signature_start(const char *module, size_t len);

#endif
