/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What memory the next kernel must have of its own before the carried memory is
 * there, in the order in which it takes and gets it. The module proves it at the
 * seal, the nvwa command foretells it.
 */
#ifndef NVWA_UAPI_FIT_H
#define NVWA_UAPI_FIT_H

#include <linux/types.h>

/* Memory is added in pieces of this size at most, see memory_add() in kmod/memory.c. */
#define NVWA_FIT_PIECE_SHIFT	30
/* And in blocks of 128 MiB or more: a memory section of x86-64, the smallest block. */
#define NVWA_FIT_BLOCK_SHIFT	27

/*
 * Bytes of struct page for a page of memory (sizeof(struct page) in Debian's kernels), and
 * of a page table for a page that is mapped.
 */
#define NVWA_FIT_STRUCT_PAGE	64
#define NVWA_FIT_PTE		8

/* For a piece: its blocks' devices in sysfs, page tables of the kernel; a generous guess. */
#define NVWA_FIT_PIECE_BYTES	(128 << 10)

/* Begins as { 0 }. */
struct nvwa_fit {
	__s64 left;		/* bytes got less bytes taken so far */
	__s64 least;		/* the least that it ever was, 0 or less */
};

static inline void nvwa_fit_take(struct nvwa_fit *f, __u64 bytes)
{
	f->left -= bytes;
	if (f->left < f->least)
		f->least = f->left;
}

/* So much memory is added, of which pages are held for programs, or hold the record. */
static inline void nvwa_fit_piece(struct nvwa_fit *f, __u64 bytes, __u64 held_pages)
{
	__u64 pages = bytes >> 12;

	if (!pages)
		return;
	nvwa_fit_take(f, pages * NVWA_FIT_STRUCT_PAGE + NVWA_FIT_PIECE_BYTES);
	f->left += (pages - (held_pages < pages ? held_pages : pages)) << 12;
}

/* Bytes that must be there at the beginning. */
static inline __u64 nvwa_fit_needed(const struct nvwa_fit *f)
{
	return -f->least;
}

#endif
