// SPDX-License-Identifier: GPL-2.0-only
/* The watermarks of mm/page_alloc.c and mm/khugepaged.c, for another machine's RAM. */
#include "lib/kexec/zones.h"

#include <stddef.h>

#include "uapi/record.h"

#define MIB	(1ULL << 20)

/* pageblock_nr_pages: a huge page. */
#define BLOCK_PAGES		512

/* set_recommended_min_free_kbytes(): 2 blocks, and MIGRATE_PCPTYPES squared, in each zone. */
#define RECOMMENDED_PAGES	(BLOCK_PAGES * (2 + 3 * 3))

/* calculate_min_free_kbytes() */
#define MIN_FREE_KIB_LEAST	128
#define MIN_FREE_KIB_MOST	262144

/* watermark_scale_factor is 10, of 10000. */
#define SCALE			1000

/* Where DMA, DMA32 and Normal end. */
static const uint64_t zone_ends[] = { 16 * MIB, 4096 * MIB, UINT64_MAX };

#define NR_ZONES	(sizeof(zone_ends) / sizeof(zone_ends[0]))

static bool has_ram(const struct memmap_entry *e, size_t zone)
{
	uint64_t from = zone ? zone_ends[zone - 1] : 0;

	return e->type == E820_RAM && e->start < zone_ends[zone] && e->start + e->len > from;
}

/* Of all nodes. */
static unsigned int count_zones(const struct memmap *ram)
{
	unsigned int nr = 0;

	for (size_t zone = 0; zone < NR_ZONES; zone++) {
		for (size_t i = 0; i < ram->nr; i++) {
			bool is_new = has_ram(&ram->entries[i], zone);

			for (size_t k = 0; k < i && is_new; k++)
				is_new = ram->entries[k].nid != ram->entries[i].nid ||
					 !has_ram(&ram->entries[k], zone);
			nr += is_new;
		}
	}
	return nr;
}

/* calculate_min_free_kbytes(): the square root of 16 times the memory, in pages. */
static uint64_t least_free(uint64_t pages)
{
	uint64_t kib = MIN_FREE_KIB_LEAST, page_kib = NVWA_PAGE_SIZE / 1024;

	while (kib < MIN_FREE_KIB_MOST && (kib + 1) * (kib + 1) <= pages * page_kib * 16)
		kib++;
	return kib / page_kib;
}

uint64_t zones_buffer_pages(const struct memmap *ram, uint64_t pages, bool hugepages)
{
	uint64_t min = least_free(pages), recommended, step;

	if (hugepages) {
		recommended = count_zones(ram) * (uint64_t)RECOMMENDED_PAGES;
		if (recommended > pages / 20)
			recommended = pages / 20;
		if (min < recommended)
			min = recommended;
	}
	/* __setup_per_zone_wmarks(): from min to low, and from low to high. */
	step = min / 4 > pages / SCALE ? min / 4 : pages / SCALE;
	return pages > min + 2 * step ? pages - min - 2 * step : 0;
}
