// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the next kernel the memory to take over what was captured? What it does is in
 * adopt.c and memory.c, and in nvwa-init, which adds the blocks that runs lie in, upwards.
 */
#include "capture.h"

#include <linux/pfn.h>

#define BLOCK_PAGES	(1UL << (NVWA_FIT_BLOCK_SHIFT - PAGE_SHIFT))
#define PIECE_PAGES	(1UL << (NVWA_FIT_PIECE_SHIFT - PAGE_SHIFT))

/* The first captured page from pfn on. */
static unsigned long captured_next(struct capture *c, unsigned long pfn)
{
	return min(pfnset_next(&c->pinned, pfn), pfnset_next(&c->copies, pfn));
}

/* Pages of a block that are not free when it was added. */
static u64 block_held(struct capture *c, unsigned long block)
{
	return pfnset_weight(&c->pinned, block) + pfnset_weight(&c->copies, block) +
	       store_pages_in(&c->store, PFN_PHYS(block), BLOCK_PAGES * PAGE_SIZE);
}

/* The blocks of a piece may be apart: then what one has free is not counted for the next. */
static void take_blocks(struct capture *c, struct nvwa_fit *fit)
{
	unsigned long pfn, piece = 0;
	u64 bytes = 0, held = 0;

	for (pfn = captured_next(c, 0); pfn != ULONG_MAX; pfn = captured_next(c, pfn)) {
		if (pfn / PIECE_PAGES != piece) {
			nvwa_fit_piece(fit, bytes, held);
			piece = pfn / PIECE_PAGES;
			bytes = held = 0;
		}
		pfn = ALIGN_DOWN(pfn, BLOCK_PAGES);
		bytes += BLOCK_PAGES * PAGE_SIZE;
		held += block_held(c, pfn);
		pfn += BLOCK_PAGES;
		cond_resched();
	}
	nvwa_fit_piece(fit, bytes, held);
}

int capture_fits(struct capture *c, struct nvwa_seal *arg)
{
	struct nvwa_fit fit = { 0 };

	nvwa_fit_take(&fit, PAGE_ALIGN(c->store.len + 1));
	take_blocks(c, &fit);
	nvwa_fit_take(&fit, capture_held(c) * NVWA_FIT_PTE);
	nvwa_fit_take(&fit, arg->later);
	arg->needed = nvwa_fit_needed(&fit);
	if (arg->needed <= arg->room)
		return 0;
	pr_err("what is carried takes %llu bytes in the next kernel, which has %llu\n",
	       arg->needed, arg->room);
	return -EFBIG;
}
