// SPDX-License-Identifier: GPL-2.0-only
/* Areas that were moved, grown and shrunk by mremap(2), and two mappings in one. */
#include <sys/mman.h>

#include "workload.h"

static struct area moved = { .name = "moved", .seed = 181, .len = 4 * MIB };
static struct area grown = { .name = "grown", .seed = 182, .len = 2 * MIB };
static struct area shrunk = { .name = "shrunk", .seed = 183, .len = 4 * MIB };
static struct area left = { .name = "left behind", .seed = 184, .len = 2 * MIB };
static struct area swapped[] = {
	{ .name = "first half", .seed = 185, .len = MIB },
	{ .name = "second half", .seed = 186, .len = MIB },
};
static unsigned char *old_place, *tail;

static unsigned char *remap(unsigned char *mem, size_t old, size_t len, int flags, void *where)
{
	unsigned char *now = mremap(mem, old, len, flags, where);

	if (now == MAP_FAILED)
		die("mremap");
	return now;
}

/* Where nothing is. */
static unsigned char *free_place(size_t len)
{
	void *mem = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

static void prepare(int argc, char **argv)
{
	int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	unsigned char *both;

	(void)argc;
	(void)argv;
	area_map(&moved, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&moved);
	moved.mem = remap(moved.mem, moved.len, moved.len, fixed, free_place(moved.len));

	area_map(&grown, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&grown);
	grown.mem = remap(grown.mem, grown.len, 2 * grown.len, MREMAP_MAYMOVE, NULL);
	tail = grown.mem + grown.len;

	area_map(&shrunk, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&shrunk);
	remap(shrunk.mem, shrunk.len, shrunk.len / 2, 0, NULL);
	shrunk.len /= 2;

	area_map(&left, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&left);
	old_place = left.mem;
	left.mem = remap(left.mem, left.len, left.len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	/* Two halves that change places, so that page offsets and addresses disagree. */
	both = free_place(2 * MIB);
	for (size_t i = 0; i < 2; i++) {
		area_map(&swapped[i], MAP_PRIVATE | MAP_ANONYMOUS);
		area_fill(&swapped[i]);
		swapped[i].mem = remap(swapped[i].mem, MIB, MIB, fixed, both + (1 - i) * MIB);
	}
}

static void verify(void)
{
	area_check(&moved);
	area_check(&grown);
	zero_check("tail", tail, grown.len);
	area_check(&shrunk);
	area_check(&left);
	zero_check("old place", old_place, left.len);
	for (size_t i = 0; i < 2; i++)
		area_check(&swapped[i]);
}

const struct workload workload = { "moved", prepare, verify };
