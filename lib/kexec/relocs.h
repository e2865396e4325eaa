/* SPDX-License-Identifier: GPL-2.0-only */
/* The relocation tables of an x86 kernel: which of its bytes hold an address of its own. */
#ifndef NVWA_KEXEC_RELOCS_H
#define NVWA_KEXEC_RELOCS_H

#include <stddef.h>
#include <stdint.h>

struct relocs {
	uint32_t *offsets;	/* from the kernel's start; NULL: it has no tables */
	size_t nr64;		/* the first so many are of 64-bit addresses, */
	size_t nr_inverse;	/* then distances to what does not move with the kernel, */
	size_t nr32;		/* then the low halves of addresses */
};

/*
 * Read the tables, which are the len bytes behind the ELF kernel; none is good
 * as well. The kernel is linked at the physical address base, and kernel_len
 * bytes of it are there: -ENOEXEC if a table names others, or is no table.
 */
int relocs_read(const char *data, size_t len, uint64_t base, size_t kernel_len,
		struct relocs *relocs);

/* Move the kernel by so many bytes. */
void relocs_apply(const struct relocs *relocs, char *kernel, uint64_t delta);

void relocs_free(struct relocs *relocs);

#endif
