// SPDX-License-Identifier: GPL-2.0-only
/* Who else holds a page that is to be captured, and waiting until they let go. */
#include "capture.h"

#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

/* How long a call waits for others to let go of pages that are pinned for DMA. */
#define DMA_WAIT_NS	NSEC_PER_SEC

void holders_init(struct capture_job *j)
{
	j->wait_ns = DMA_WAIT_NS;
}

/*
 * Does somebody else hold this page who may write into it? Who does has pinned it, which
 * shows as a large count; before 6.5 asynchronous I/O did not, which has
 * ended by now. Plain references are taken by many who do not write. Those of the page's
 * mappings, of the page or swap cache and our own do not count: there may be as many. KSM pages
 * are read-only to everybody, and large folios have a count of pins only.
 */
static bool is_pinned(struct capture *c, struct page *page)
{
	struct folio *folio = page_folio(page);
	int extra;

	if (folio_test_large(folio))
		return folio_maybe_dma_pinned(folio);
	if (folio_test_ksm(folio))
		return false;
	extra = folio_ref_count(folio) - (atomic_read(&folio->_mapcount) + 1) -
		(folio_test_swapcache(folio) || !folio_test_anon(folio)) - 1;
	if (extra < GUP_PIN_COUNTING_BIAS)
		return false;
	return extra - pfnset_has(&c->pinned, page_to_pfn(page)) >= GUP_PIN_COUNTING_BIAS;
}

/*
 * Wait until nobody else holds the page. A DMA that ends after the page was
 * copied, or in the middle of the jump, would corrupt memory.
 */
static int wait_for_holder(struct capture_job *j, u64 addr, struct page *page)
{
	s64 start;

	while (is_pinned(j->c, page)) {
		if (j->wait_ns <= 0) {
			j->busy_addr = addr;
			pr_err("%s %llu: the page at %#llx is held for DMA\n", j->kind, j->id,
			       addr);
			return -EBUSY;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		start = ktime_get_ns();
		usleep_range(200, 500);
		j->wait_ns -= ktime_get_ns() - start;
	}
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
