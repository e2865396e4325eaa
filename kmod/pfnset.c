// SPDX-License-Identifier: GPL-2.0-only
/* A sparse set of page frame numbers: one page of bitmap for every 128 MiB that has members. */
#include "nvwa.h"

#include <linux/bitmap.h>
#include <linux/slab.h>

#define PFNSET_BLOCK_BITS	(PAGE_SIZE * BITS_PER_BYTE)

static_assert(PFNSET_BLOCK_BITS * PAGE_SIZE == 1UL << NVWA_FIT_BLOCK_SHIFT);

void pfnset_init(struct pfnset *s)
{
	xa_init(&s->blocks);
	s->nr = 0;
	s->last = NULL;
}

void pfnset_destroy(struct pfnset *s)
{
	unsigned long i;
	void *block;

	xa_for_each(&s->blocks, i, block)
		free_page((unsigned long)block);
	xa_destroy(&s->blocks);
	s->nr = 0;
	s->last = NULL;
}

/* For those who change the set; neighbours are mostly changed one after the other. */
static unsigned long *block_get(struct pfnset *s, unsigned long i)
{
	if (!s->last || s->last_i != i) {
		s->last = xa_load(&s->blocks, i);
		s->last_i = i;
	}
	return s->last;
}

static unsigned long *block_make(struct pfnset *s, unsigned long i)
{
	unsigned long *block = block_get(s, i);
	int err;

	if (block)
		return block;
	block = (unsigned long *)get_zeroed_page(GFP_KERNEL);
	if (!block)
		return NULL;
	err = xa_err(xa_store(&s->blocks, i, block, GFP_KERNEL));
	if (err) {
		free_page((unsigned long)block);
		return NULL;
	}
	return block;
}

/* The part of pfn..pfn+nr that lies in one block. */
static unsigned long in_block(unsigned long pfn, unsigned long nr)
{
	return min_t(unsigned long, nr, PFNSET_BLOCK_BITS - pfn % PFNSET_BLOCK_BITS);
}

int pfnset_add(struct pfnset *s, unsigned long pfn, unsigned long nr)
{
	unsigned long p, n, bit, end = pfn + nr;
	unsigned long *block;

	for (p = pfn; p < end; p += n) {
		n = in_block(p, end - p);
		bit = p % PFNSET_BLOCK_BITS;
		block = block_make(s, p / PFNSET_BLOCK_BITS);
		if (!block)
			return -ENOMEM;
		if (find_next_bit(block, bit + n, bit) < bit + n)
			return -EEXIST;
	}
	for (p = pfn; p < end; p += n) {
		n = in_block(p, end - p);
		bitmap_set(block_get(s, p / PFNSET_BLOCK_BITS), p % PFNSET_BLOCK_BITS, n);
	}
	s->nr += nr;
	return 0;
}

void pfnset_del(struct pfnset *s, unsigned long pfn, unsigned long nr)
{
	unsigned long n, bit, end = pfn + nr;
	unsigned long *block;

	for (; pfn < end; pfn += n) {
		n = in_block(pfn, end - pfn);
		bit = pfn % PFNSET_BLOCK_BITS;
		block = block_get(s, pfn / PFNSET_BLOCK_BITS);
		if (WARN_ON_ONCE(!block))
			return;
		bitmap_clear(block, bit, n);
		s->nr -= n;
	}
}

bool pfnset_has(struct pfnset *s, unsigned long pfn)
{
	unsigned long *block = xa_load(&s->blocks, pfn / PFNSET_BLOCK_BITS);

	return block && test_bit(pfn % PFNSET_BLOCK_BITS, block);
}

unsigned long pfnset_next(struct pfnset *s, unsigned long pfn)
{
	unsigned long i = pfn / PFNSET_BLOCK_BITS;
	unsigned long bit = pfn % PFNSET_BLOCK_BITS;
	unsigned long first = i;
	unsigned long *block;

	for (block = xa_find(&s->blocks, &i, ULONG_MAX, XA_PRESENT); block;
	     block = xa_find_after(&s->blocks, &i, ULONG_MAX, XA_PRESENT)) {
		if (i != first)
			bit = 0;
		bit = find_next_bit(block, PFNSET_BLOCK_BITS, bit);
		if (bit < PFNSET_BLOCK_BITS)
			return i * PFNSET_BLOCK_BITS + bit;
	}
	return ULONG_MAX;
}

unsigned long pfnset_weight(struct pfnset *s, unsigned long pfn)
{
	unsigned long *block = xa_load(&s->blocks, pfn / PFNSET_BLOCK_BITS);

	return block ? bitmap_weight(block, PFNSET_BLOCK_BITS) : 0;
}

void pfnset_or(struct pfnset *s, unsigned long pfn, unsigned long nr, unsigned long *bits)
{
	unsigned long *block = xa_load(&s->blocks, pfn / PFNSET_BLOCK_BITS);

	if (block)
		bitmap_or(bits, bits, block + pfn % PFNSET_BLOCK_BITS / BITS_PER_LONG, nr);
}

unsigned long pfnset_row(struct pfnset *s, unsigned long pfn, unsigned long max)
{
	unsigned long n, bit, end, row = 0;
	unsigned long *block;

	while (row < max) {
		n = in_block(pfn + row, max - row);
		bit = (pfn + row) % PFNSET_BLOCK_BITS;
		block = xa_load(&s->blocks, (pfn + row) / PFNSET_BLOCK_BITS);
		if (!block)
			break;
		end = find_next_zero_bit(block, bit + n, bit);
		row += end - bit;
		if (end < bit + n)
			break;
	}
	return row;
}
