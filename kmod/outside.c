// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for what the next kernel must find: pages that it will add. The
 * allocator cannot be told where, so what it gives elsewhere, in the scratch for
 * one, is set aside until the end of the call; blocks as large as it has keep that
 * cheap. It can be told which node: a copy lies where the page lay that it is of.
 * The kernel may zero all that it gives (init_on_alloc=), which takes long for a
 * whole scratch: outside_fill() does it ahead, when no program waits for it.
 */
#include "nvwa.h"

#include <linux/gfp.h>
#include <linux/slab.h>

int outside_init(struct outside *o)
{
	unsigned int nid;

	o->hidden = NULL;
	o->nr_hidden = 0;
	INIT_LIST_HEAD(&o->rejects);
	o->pools = kvcalloc(nr_node_ids, sizeof(*o->pools), GFP_KERNEL);
	if (!o->pools)
		return -ENOMEM;
	for (nid = 0; nid < nr_node_ids; nid++) {
		INIT_LIST_HEAD(&o->pools[nid].pages);
		o->pools[nid].order = NVWA_CHUNK_ORDER;
	}
	return 0;
}

bool outside_has(const struct outside *o, u64 start, u64 len)
{
	u32 low = 0, high = o->nr_hidden;

	/* The first range that ends behind start. */
	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (o->hidden[mid].start + o->hidden[mid].len <= start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < o->nr_hidden && o->hidden[low].start <= start &&
	       start + len <= o->hidden[low].start + o->hidden[low].len;
}

/* Large blocks are a nicety; for single pages try hard, but kill nobody. */
static gfp_t gfp_of(unsigned int order, bool hard)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NOMEMALLOC;

	if (!order)
		return gfp | __GFP_RETRY_MAYFAIL;
	return hard ? gfp | __GFP_NORETRY : gfp & ~__GFP_DIRECT_RECLAIM;
}

static struct page *node_alloc(int nid, gfp_t gfp, unsigned int order)
{
	if (nid == NUMA_NO_NODE)
		return alloc_pages(gfp, order);
	return alloc_pages_node(nid, gfp | __GFP_THISNODE, order);
}

struct page *outside_alloc(struct outside *o, int nid, unsigned int *order, bool hard)
{
	unsigned int try = *order;
	struct page *page;

	for (;;) {
		cond_resched();
		page = node_alloc(nid, gfp_of(try, hard), try);
		if (!page) {
			if (!try)
				return NULL;
			try--;
			continue;
		}
		if (outside_has(o, page_to_phys(page), PAGE_SIZE << try)) {
			*order = try;
			return page;
		}
		set_page_private(page, try);
		list_add(&page->lru, &o->rejects);
	}
}

static void pool_add(struct outside_pool *pool, struct page *page, unsigned int order)
{
	unsigned int i;

	if (order)
		split_page(page, order);
	for (i = 0; i < 1U << order; i++)
		list_add_tail(&page[i].lru, &pool->pages);
}

/* Better on another node than nowhere; the node is asked again by the next call. */
static struct page *pool_alloc(struct outside *o, int nid, unsigned int *order)
{
	struct outside_pool *pool = &o->pools[nid];
	struct page *page = NULL;

	if (!pool->elsewhere)
		page = outside_alloc(o, nid, order, false);
	if (page)
		return page;
	pool->elsewhere = true;
	return outside_alloc(o, NUMA_NO_NODE, order, false);
}

struct page *outside_page(struct outside *o, int nid)
{
	struct outside_pool *pool = &o->pools[nid];
	unsigned int order = pool->order;
	struct page *page;

	if (list_empty(&pool->pages)) {
		page = pool_alloc(o, nid, &order);
		if (!page)
			return NULL;
		pool->order = order;
		pool_add(pool, page, order);
	}
	page = list_first_entry(&pool->pages, struct page, lru);
	list_del(&page->lru);
	return page;
}

void outside_fill(struct outside *o)
{
	unsigned int nid, order;
	struct page *page;

	for_each_node_state(nid, N_MEMORY) {
		order = NVWA_CHUNK_ORDER;
		page = pool_alloc(o, nid, &order);
		if (page)
			pool_add(&o->pools[nid], page, order);
	}
}

struct page *outside_huge(struct outside *o, int nid)
{
	unsigned int order = ilog2(NVWA_HUGE_PAGES);
	struct page *page = pool_alloc(o, nid, &order);

	if (!page)
		return NULL;
	if (order < ilog2(NVWA_HUGE_PAGES)) {
		pool_add(&o->pools[nid], page, order);
		return NULL;
	}
	split_page(page, order);
	return page;
}

void outside_trim(struct outside *o)
{
	struct page *page, *next;
	unsigned int order, nid;

	list_for_each_entry_safe(page, next, &o->rejects, lru) {
		list_del(&page->lru);
		order = page_private(page);
		set_page_private(page, 0);
		__free_pages(page, order);
	}
	for (nid = 0; o->pools && nid < nr_node_ids; nid++) {
		o->pools[nid].order = NVWA_CHUNK_ORDER;
		o->pools[nid].elsewhere = false;
	}
}

void outside_destroy(struct outside *o)
{
	struct page *page, *next;
	unsigned int nid;

	outside_trim(o);
	for (nid = 0; o->pools && nid < nr_node_ids; nid++) {
		list_for_each_entry_safe(page, next, &o->pools[nid].pages, lru) {
			list_del(&page->lru);
			__free_page(page);
		}
	}
	kvfree(o->pools);
	kvfree(o->hidden);
	o->pools = NULL;
	o->hidden = NULL;
}
