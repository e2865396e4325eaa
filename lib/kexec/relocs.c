// SPDX-License-Identifier: GPL-2.0-only
/*
 * The format is that of arch/x86/tools/relocs.c in the kernel, as its
 * decompressor (handle_relocations() in arch/x86/boot/compressed/misc.c) takes
 * it apart from its end: 32-bit words, in each table the virtual addresses
 * (their low halves) of what is to be changed, and a zero in front of each
 * table. An address is never zero, so that the zeros tell how many there are:
 *
 *	0 64-bit addresses 0 inverse 32-bit 0 32-bit	Linux 3.15 to 6.14
 *	0 64-bit addresses 0 32-bit			before, and from 6.15 on
 *
 * What is inverse are distances from code, which moves, to per-CPU variables,
 * which were linked at zero in between.
 */
#include "lib/kexec/relocs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

/* __START_KERNEL_map: where a kernel linked at the physical address 0 would be. */
#define KERNEL_MAP	0xffffffff80000000ULL

#define TABLES_MAX	3

int relocs_read(const char *data, size_t len, uint64_t base, size_t kernel_len,
		struct relocs *relocs)
{
	_cleanup_free_ uint32_t *offsets = NULL;
	size_t first[TABLES_MAX], tables = 0, nr = 0;

	*relocs = (struct relocs){ 0 };
	if (!len)
		return 0;
	if (len % sizeof(*offsets))
		return -ENOEXEC;
	offsets = malloc(len);
	if (!offsets)
		return -ENOMEM;
	memcpy(offsets, data, len);

	for (size_t i = 0; i < len / sizeof(*offsets); i++) {
		size_t width = tables == 1 ? sizeof(uint64_t) : sizeof(uint32_t);
		uint64_t at = (uint64_t)(int32_t)offsets[i] - KERNEL_MAP - base;

		if (!offsets[i]) {
			if (tables == TABLES_MAX)
				return -ENOEXEC;
			first[tables++] = nr;
			continue;
		}
		if (!tables || kernel_len < width || at > kernel_len - width)
			return -ENOEXEC;
		offsets[nr++] = at;
	}
	if (tables < 2 || !first[1])
		return -ENOEXEC;

	relocs->nr64 = first[1];
	relocs->nr_inverse = first[tables - 1] - first[1];
	relocs->nr32 = nr - first[tables - 1];
	relocs->offsets = steal_ptr(offsets);
	return 0;
}

static void add64(char *p, uint64_t delta)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	value += delta;
	memcpy(p, &value, sizeof(value));
}

static void add32(char *p, uint32_t delta)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	value += delta;
	memcpy(p, &value, sizeof(value));
}

void relocs_apply(const struct relocs *relocs, char *kernel, uint64_t delta)
{
	const uint32_t *at = relocs->offsets;

	for (size_t i = 0; i < relocs->nr64; i++)
		add64(kernel + *at++, delta);
	for (size_t i = 0; i < relocs->nr_inverse; i++)
		add32(kernel + *at++, -delta);
	for (size_t i = 0; i < relocs->nr32; i++)
		add32(kernel + *at++, delta);
}

void relocs_free(struct relocs *relocs)
{
	free(relocs->offsets);
	*relocs = (struct relocs){ 0 };
}
