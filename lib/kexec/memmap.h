/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's RAM, the scratch that the next kernel boots in, and the hidden
 * rest that it is given by memory hotplug afterwards.
 */
#ifndef NVWA_KEXEC_MEMMAP_H
#define NVWA_KEXEC_MEMMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "uapi/nvwa.h"
#include "lib/base/error.h"

/* e820 types, as in the kernel's arch/x86/include/asm/e820/types.h. */
#define E820_RAM	1
#define E820_RESERVED	2
#define E820_ACPI	3
#define E820_NVS	4

struct memmap_entry {
	uint64_t start;
	uint64_t len;
	uint32_t type;		/* E820_* */
	int32_t nid;		/* of RAM: NUMA node or -1 */
};

struct memmap {
	struct memmap_entry *entries;	/* sorted by start, without overlap */
	size_t nr;
};

void memmap_free(struct memmap *map);

/*
 * The machine's map: from <state_dir>/ram (left by an earlier update) if this
 * kernel was itself started by nvwa, else from <sysroot>/sys/firmware/memmap
 * less what <sysroot>/proc/iomem calls Reserved inside RAM. sysroot is ""
 * except in tests.
 */
int memmap_read(const char *sysroot, struct memmap *map, struct error *err);

/*
 * Bytes of RAM that drivers have added since the boot (dax/kmem for CXL, virtio-mem), which
 * memmap_read() does not know: "System RAM (DRIVER)" in <sysroot>/proc/iomem.
 */
int memmap_added(const char *sysroot, uint64_t *bytes);

/* Text form, "<start hex> <len hex> <type> <nid>" a line, and back. */
int memmap_format(const struct memmap *map, char **text);
int memmap_parse(const char *text, struct memmap *map);

/* Size of the next kernel's memory hotplug blocks, bytes; fails where the running one has none. */
int memmap_block_size(const char *sysroot, uint64_t *bytes, struct error *err);

/* All entries whatever they are, those that adjoin as one; *ranges is malloc()ed. */
int memmap_ranges(const struct memmap *map, struct nvwa_range **ranges, size_t *nr);

/* Bytes of type E820_RAM. */
uint64_t memmap_ram(const struct memmap *map);

struct scratch_plan {
	struct memmap next;	/* what the next kernel gets as its e820 map */
	struct memmap scratch;	/* the RAM entries of it, page aligned */
	struct memmap hidden;	/* whole memory blocks that are added by hotplug, type RAM */
	uint64_t lost;		/* bytes of RAM in neither, until the next ordinary boot */
	uint64_t block_size;	/* of the next kernel's memory hotplug, bytes */
};

/*
 * Choose the scratch: memory block 0, every ragged block, the first and the last
 * block of each NUMA node below 4 GiB, one block between 4 and 64 GiB if there
 * is RAM there, and then those
 * blocks with the fewest used pages until it has at least min_bytes. Ragged blocks above
 * 64 GiB can neither be booted in nor be added, and are lost.
 * used[i] is the number of carried pages in the i-th memory block (physical
 * address / block_size); nr_used entries, all others count as 0.
 */
int scratch_choose(const struct memmap *map, uint64_t block_size, uint64_t min_bytes,
		   const uint64_t *used, size_t nr_used,
		   struct scratch_plan *plan, struct error *err);
void scratch_free(struct scratch_plan *plan);

#endif
