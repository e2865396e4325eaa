/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the next kernel is to be, at random: what its own decompressor would do (KASLR). */
#ifndef NVWA_KEXEC_KASLR_H
#define NVWA_KEXEC_KASLR_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/base/error.h"
#include "lib/kexec/image.h"

/* By the next kernel's command line and the end of this machine's RAM, a physical address. */
bool kaslr_is_wanted(const char *cmdline, uint64_t ram_end);

/* Move the kernel to a random virtual address; one without relocation tables stays. */
int kaslr_move(struct image *image, struct error *err);

/* A random number from 0 on and below nr. */
int kaslr_random(uint64_t nr, uint64_t *value);

#endif
