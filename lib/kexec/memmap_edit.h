/* SPDX-License-Identifier: GPL-2.0-only */
/* Building and changing memory maps; for lib/kexec itself. */
#ifndef NVWA_KEXEC_MEMMAP_EDIT_H
#define NVWA_KEXEC_MEMMAP_EDIT_H

#include "lib/kexec/memmap.h"

/* More e820 types, as in the kernel's arch/x86/include/asm/e820/types.h. */
#define E820_UNUSABLE	5
#define E820_PMEM	7
#define E820_PRAM	12

/* MIN_MEMORY_BLOCK_SIZE in the kernel's arch/x86/mm/init_64.c. */
#define BLOCK_SIZE_MIN	(128ULL << 20)

/* Append [start, end), joined to the last entry where it goes on from it. */
int memmap_append(struct memmap *map, uint64_t start, uint64_t end, uint32_t type, int nid);

/* Make [start, end) of the given type whatever it was before. */
int memmap_overlay(struct memmap *map, uint64_t start, uint64_t end, uint32_t type, int nid);

#endif
