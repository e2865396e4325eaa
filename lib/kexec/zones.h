/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel's zones are in a machine, and what they hold back. */
#ifndef NVWA_KEXEC_ZONES_H
#define NVWA_KEXEC_ZONES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/kexec/memmap.h"

/*
 * What nr_free_buffer_pages() is at boot, in pages: all that the allocator has
 * but the high watermarks. These depend on the number of zones with RAM, if
 * transparent huge pages are on.
 */
uint64_t zones_buffer_pages(const struct memmap *ram, uint64_t pages, bool hugepages);

#endif
