// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for what the next kernel must find: pages outside the scratch. The
 * allocator cannot be told where, so what it gives inside the scratch is set
 * aside until the end of the call; blocks as large as it has keep that cheap.
 */
#include "nvwa.h"

#include <linux/gfp.h>
#include <linux/slab.h>

void outside_init(struct outside *o)
{
	o->scratch = NULL;
	o->nr_scratch = 0;
	INIT_LIST_HEAD(&o->rejects);
	INIT_LIST_HEAD(&o->pool);
	o->pool_order = NVWA_CHUNK_ORDER;
}

/* Is there a page of the scratch in this range? */
bool outside_inside(const struct outside *o, u64 start, u64 len)
{
	u32 low = 0, high = o->nr_scratch;

	/* The first range that ends behind start. */
	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (o->scratch[mid].start + o->scratch[mid].len <= start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < o->nr_scratch && o->scratch[low].start < start + len;
}

/* Large blocks are a nicety; for single pages try hard, but kill nobody. */
static gfp_t gfp_of(unsigned int order, bool hard)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NOMEMALLOC;

	if (!order)
		return gfp | __GFP_RETRY_MAYFAIL;
	return hard ? gfp | __GFP_NORETRY : gfp & ~__GFP_DIRECT_RECLAIM;
}

struct page *outside_alloc(struct outside *o, unsigned int *order, bool hard)
{
	unsigned int try = *order;
	struct page *page;

	for (;;) {
		cond_resched();
		page = alloc_pages(gfp_of(try, hard), try);
		if (!page) {
			if (!try)
				return NULL;
			try--;
			continue;
		}
		if (!outside_inside(o, page_to_phys(page), PAGE_SIZE << try)) {
			*order = try;
			return page;
		}
		set_page_private(page, try);
		list_add(&page->lru, &o->rejects);
	}
}

static void pool_add(struct outside *o, struct page *page, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < 1U << order; i++)
		list_add_tail(&page[i].lru, &o->pool);
}

struct page *outside_page(struct outside *o)
{
	unsigned int order = o->pool_order;
	struct page *page;

	if (list_empty(&o->pool)) {
		page = outside_alloc(o, &order, false);
		if (!page)
			return NULL;
		o->pool_order = order;
		if (order)
			split_page(page, order);
		pool_add(o, page, order);
	}
	page = list_first_entry(&o->pool, struct page, lru);
	list_del(&page->lru);
	return page;
}

struct page *outside_huge(struct outside *o)
{
	unsigned int order = ilog2(NVWA_HUGE_PAGES);
	struct page *page = outside_alloc(o, &order, false);

	if (!page)
		return NULL;
	if (order)
		split_page(page, order);
	if (order == ilog2(NVWA_HUGE_PAGES))
		return page;
	pool_add(o, page, order);
	return NULL;
}

void outside_trim(struct outside *o)
{
	struct page *page, *next;
	unsigned int order;

	list_for_each_entry_safe(page, next, &o->rejects, lru) {
		list_del(&page->lru);
		order = page_private(page);
		set_page_private(page, 0);
		__free_pages(page, order);
	}
	o->pool_order = NVWA_CHUNK_ORDER;
}

void outside_destroy(struct outside *o)
{
	struct page *page, *next;

	outside_trim(o);
	list_for_each_entry_safe(page, next, &o->pool, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
	kvfree(o->scratch);
	outside_init(o);
}
