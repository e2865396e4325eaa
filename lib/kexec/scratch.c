// SPDX-License-Identifier: GPL-2.0-only
/* The choice of the scratch: which memory blocks the next kernel boots in. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/cleanup.h"
#include "lib/kexec/memmap_edit.h"

#define GIB		(1ULL << 30)

/*
 * Above this end of RAM the kernel makes its memory blocks larger than
 * BLOCK_SIZE_MIN (MEM_SIZE_FOR_LARGE_BLOCK, arch/x86/mm/init_64.c); so the
 * scratch ends below, and no RAM of the next kernel's own map lies higher.
 */
#define LARGE_BLOCK_END	(64 * GIB)

struct block {
	uint64_t ram;
	int nid;
	bool mixed;		/* on two NUMA nodes: cannot be added as a whole */
	bool chosen;
};

struct choice {
	struct block *blocks;
	size_t nr;
	uint64_t block_size;
	const uint64_t *used;
	size_t nr_used;
	uint64_t bytes;		/* RAM chosen so far */
};

static uint64_t used_pages(const struct choice *c, size_t i)
{
	return i < c->nr_used ? c->used[i] : 0;
}

/* Wholly RAM of one node, so that it can be hidden and added by hotplug. */
static bool is_whole(const struct choice *c, const struct block *b)
{
	return b->ram == c->block_size && !b->mixed;
}

static bool is_ragged(const struct choice *c, const struct block *b)
{
	return b->ram && !is_whole(c, b);
}

static void choose(struct choice *c, size_t i)
{
	if (!c->blocks[i].chosen) {
		c->blocks[i].chosen = true;
		c->bytes += c->blocks[i].ram;
	}
}

/* The whole block in [from, to) that holds the fewest carried pages, the lowest of equals. */
static ssize_t least_used(const struct choice *c, size_t from, size_t to, int nid)
{
	ssize_t best = -1;

	for (size_t i = from; i < to && i < c->nr; i++) {
		const struct block *b = &c->blocks[i];

		if (!is_whole(c, b) || b->chosen || (nid >= 0 && b->nid != nid))
			continue;
		if (best < 0 || used_pages(c, i) < used_pages(c, best))
			best = i;
	}

	return best;
}

static int sort_out_blocks(const struct memmap *map, struct choice *c)
{
	uint64_t end = 0;

	for (size_t i = 0; i < map->nr; i++) {
		if (map->entries[i].type == E820_RAM)
			end = map->entries[i].start + map->entries[i].len;
	}
	c->nr = (end + c->block_size - 1) / c->block_size;
	c->blocks = calloc(c->nr + 1, sizeof(*c->blocks));
	if (!c->blocks)
		return -ENOMEM;

	for (size_t i = 0; i < map->nr; i++) {
		const struct memmap_entry *e = &map->entries[i];
		uint64_t at = e->start, e_end = e->start + e->len;

		while (e->type == E820_RAM && at < e_end) {
			size_t nr = at / c->block_size;
			uint64_t next = (nr + 1) * c->block_size;
			struct block *b = &c->blocks[nr];

			if (next > e_end)
				next = e_end;
			if (b->ram && b->nid != e->nid)
				b->mixed = true;
			b->nid = e->nid;
			b->ram += next - at;
			at = next;
		}
	}

	return 0;
}

/*
 * The first and the last block of each node below 4 GiB: memory that is added
 * goes to zone DMA32 only where that spans it already, else to zone Normal.
 */
static void choose_ends(struct choice *c, size_t four_gib)
{
	for (size_t i = 0; i < four_gib; i++) {
		bool first = c->blocks[i].ram, last = first;

		for (size_t k = 0; k < i && first; k++)
			first = !c->blocks[k].ram || c->blocks[k].nid != c->blocks[i].nid;
		for (size_t k = i + 1; k < four_gib && last; k++)
			last = !c->blocks[k].ram || c->blocks[k].nid != c->blocks[i].nid;
		if (first || last)
			choose(c, i);
	}
}

/* Blocks that the scratch needs for its place, whatever its size. */
static void choose_by_place(struct choice *c)
{
	size_t four_gib = 4 * GIB / c->block_size, large = LARGE_BLOCK_END / c->block_size;
	ssize_t best;

	for (size_t i = 0; i < c->nr && i < large; i++) {
		if (!i || is_ragged(c, &c->blocks[i]))
			choose(c, i);
	}

	choose_ends(c, c->nr < four_gib ? c->nr : four_gib);

	/* One above 4 GiB: with RAM there, drivers must expect such addresses from the start. */
	best = least_used(c, four_gib, large, -1);
	for (size_t i = four_gib; i < c->nr && i < large; i++) {
		if (c->blocks[i].chosen)
			best = -1;
	}
	if (best >= 0)
		choose(c, best);

	/* One per NUMA node: a node with CPUs and no memory is a path of its own. */
	for (size_t i = 0; i < c->nr && i < large; i++) {
		int nid = c->blocks[i].nid;
		bool has = !is_whole(c, &c->blocks[i]);

		for (size_t k = 0; k < c->nr && !has; k++)
			has = c->blocks[k].chosen && c->blocks[k].nid == nid;
		if (!has)
			choose(c, least_used(c, 0, large, nid));
	}
}

static int write_plan(const struct memmap *map, const struct choice *c, struct scratch_plan *plan)
{
	int r = 0;

	plan->block_size = c->block_size;
	for (size_t i = 0; i < map->nr && !r; i++) {
		const struct memmap_entry *e = &map->entries[i];
		uint64_t at = e->start, end = e->start + e->len;

		if (e->type != E820_RAM) {
			r = memmap_append(&plan->next, e->start, end, e->type, e->nid);
			continue;
		}
		while (at < end && !r) {
			const struct block *b = &c->blocks[at / c->block_size];
			uint64_t to = (at / c->block_size + 1) * c->block_size;

			if (to > end)
				to = end;
			if (b->chosen) {
				r = memmap_append(&plan->next, at, to, E820_RAM, e->nid);
				if (!r)
					r = memmap_append(&plan->scratch, at, to, E820_RAM, e->nid);
			} else {
				r = memmap_append(&plan->next, at, to, E820_RESERVED, -1);
				/* Else it is a ragged one beyond LARGE_BLOCK_END. */
				if (!is_whole(c, b))
					plan->lost += to - at;
				else if (!r)
					r = memmap_append(&plan->hidden, at, to, E820_RAM, e->nid);
			}
			at = to;
		}
	}

	return r;
}

int scratch_choose(const struct memmap *map, uint64_t block_size, uint64_t min_bytes,
		   const uint64_t *used, size_t nr_used,
		   struct scratch_plan *plan, struct error *err)
{
	struct choice c = { .block_size = block_size, .used = used, .nr_used = nr_used };
	uint64_t have = memmap_ram(map);
	struct scratch_plan made = { 0 };
	int r;

	if (block_size < BLOCK_SIZE_MIN || (block_size & (block_size - 1)))
		return error_set(err, EINVAL, "A memory block size of %" PRIu64 " bytes cannot be.",
				 block_size);
	if (have < min_bytes)
		return error_set(err, ENOMEM, "The next kernel needs %" PRIu64 " MiB to boot in, "
				 "and this machine has %" PRIu64 " MiB. Give the machine more "
				 "memory.", min_bytes >> 20, have >> 20);

	r = sort_out_blocks(map, &c);
	_cleanup_free_ struct block *blocks = c.blocks;

	if (r)
		return r;

	choose_by_place(&c);
	while (c.bytes < min_bytes) {
		ssize_t best = least_used(&c, 0, LARGE_BLOCK_END / block_size, -1);

		if (best < 0)
			return error_set(err, ENOMEM, "The next kernel needs %" PRIu64 " MiB to "
					 "boot in, and this machine has %" PRIu64 " MiB of usable "
					 "memory below 64 GiB. Give the machine more memory.",
					 min_bytes >> 20, c.bytes >> 20);
		choose(&c, best);
	}

	r = write_plan(map, &c, &made);
	if (r) {
		scratch_free(&made);
		return r;
	}
	*plan = made;
	return 0;
}

void scratch_free(struct scratch_plan *plan)
{
	memmap_free(&plan->next);
	memmap_free(&plan->scratch);
	memmap_free(&plan->hidden);
}
