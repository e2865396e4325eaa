// SPDX-License-Identifier: GPL-2.0-only
/* Who else holds a page that is to be captured, and waiting until they let go. */
#include "capture.h"

#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

/*
 * How long a call waits for others to let go: of pages that are pinned for DMA,
 * and of pages with a reference of unknown purpose.
 */
#define DMA_WAIT_NS	NSEC_PER_SEC
#define UNKNOWN_WAIT_NS	(100 * NSEC_PER_MSEC)

void holders_init(struct capture_job *j, bool writes_unpinned)
{
	j->dma_wait_ns = DMA_WAIT_NS;
	j->unknown_wait_ns = writes_unpinned ? UNKNOWN_WAIT_NS : 0;
}

enum holder { HOLDER_NONE, HOLDER_UNKNOWN, HOLDER_DMA };

/*
 * Does somebody else hold this page? All but its mappings, the page or swap
 * cache and ourselves count. Drivers that write into it pin it, which shows as a large
 * count. Before 6.5 direct I/O took a plain reference, but so do many others
 * who do not write, and the per-CPU batches of the LRU lists do, for as long
 * as nobody fills them (a page that waits to be put on a list is off it).
 * KSM pages are read-only to everybody, and large folios have a count of pins
 * only.
 */
static enum holder page_holder(struct capture *c, struct page *page)
{
	struct folio *folio = page_folio(page);
	int extra;

	if (folio_test_large(folio))
		return folio_maybe_dma_pinned(folio) ? HOLDER_DMA : HOLDER_NONE;
	if (folio_test_ksm(folio))
		return HOLDER_NONE;
	extra = folio_ref_count(folio) - (atomic_read(&folio->_mapcount) + 1) -
		(folio_test_swapcache(folio) || !folio_test_anon(folio)) - 1;
	if (extra <= 0)
		return HOLDER_NONE;
	extra -= pfnset_has(&c->pinned, page_to_pfn(page));
	if (extra >= GUP_PIN_COUNTING_BIAS)
		return HOLDER_DMA;
	if (extra > !folio_test_lru(folio))
		return HOLDER_UNKNOWN;
	return HOLDER_NONE;
}

/*
 * Wait until nobody else holds the page. A DMA that ends after the page was
 * copied, or in the middle of the jump, would corrupt memory.
 */
static int wait_for_holder(struct capture_job *j, u64 addr, struct page *page)
{
	enum holder holder;
	s64 *left, start;

	while ((holder = page_holder(j->c, page)) != HOLDER_NONE) {
		left = holder == HOLDER_DMA ? &j->dma_wait_ns : &j->unknown_wait_ns;
		if (*left <= 0)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		start = ktime_get_ns();
		usleep_range(200, 500);
		*left -= ktime_get_ns() - start;
	}
	if (holder == HOLDER_DMA) {
		j->busy_addr = addr;
		pr_err("%s %llu: the page at %#llx is held for DMA\n", j->kind, j->id, addr);
		return -EBUSY;
	}
	j->nr_unknown += holder == HOLDER_UNKNOWN;
	return 0;
}

int holders_wait(struct capture_job *j, u64 addr, struct page **pages, long nr)
{
	struct folio *last = NULL;
	long i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		struct folio *folio = page_folio(pages[i]);

		/* For a large one this is asked as a whole. */
		if (folio != last)
			err = wait_for_holder(j, addr + i * PAGE_SIZE, pages[i]);
		last = folio;
	}
	return err;
}
