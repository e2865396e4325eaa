/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transparent huge pages out of frames of our own. The kernel takes them from
 * a module since 6.19 (migrate_vma_setup() with MIGRATE_VMA_SELECT_COMPOUND);
 * how struct pages are put together here is that of 7.3, and checked against the
 * running kernel's own way before it is used.
 */
#ifndef NVWA_COMPAT_HUGE_H
#define NVWA_COMPAT_HUGE_H

#include <linux/gfp.h>
#include <linux/huge_mm.h>
#include <linux/migrate.h>
#include <linux/poison.h>
#include <linux/slab.h>

#if defined(MIGRATE_PFN_COMPOUND) && defined(CONFIG_TRANSPARENT_HUGEPAGE) && \
	LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)

#define COMPAT_SELECT_HUGE	MIGRATE_VMA_SELECT_COMPOUND
#define COMPAT_PFN_HUGE		MIGRATE_PFN_COMPOUND

/*
 * As prep_compound_page() does it, which is not exported; the references of all
 * pages but the first are taken away too.
 */
static inline void compat_make_huge(struct page *head)
{
	struct folio *folio = (struct folio *)head;
	unsigned int i;

	__SetPageHead(head);
	for (i = 1; i < HPAGE_PMD_NR; i++) {
		head[i].mapping = TAIL_MAPPING;
		set_compound_head(head + i, head, HPAGE_PMD_ORDER);
		set_page_count(head + i, 0);
	}
	folio->_flags_1 = (folio->_flags_1 & ~0xffUL) | HPAGE_PMD_ORDER;
#ifdef NR_PAGES_IN_LARGE_FOLIO
	folio->_nr_pages = HPAGE_PMD_NR;
#endif
	atomic_set(&folio->_large_mapcount, -1);
	atomic_set(&folio->_nr_pages_mapped, 0);
	atomic_set(&folio->_entire_mapcount, -1);
	atomic_set(&folio->_pincount, 0);
#ifdef CONFIG_MM_ID
	folio->_mm_ids = 0;
	folio->_mm_id_mapcount[0] = -1;
	folio->_mm_id_mapcount[1] = -1;
#endif
	INIT_LIST_HEAD(&folio->_deferred_list);
}

/* Does the allocator put such pages together in the same way? Both are 32 KiB of struct page. */
static inline bool compat_huge_alike(struct page *theirs, struct page *ours)
{
	const struct folio *a = (struct folio *)theirs, *b = (struct folio *)ours;
	unsigned int i;

	for (i = 0; i < HPAGE_PMD_NR; i++) {
		ours[i].flags = theirs[i].flags;
		ours[i].flags.f &= ~(i == 0 ? BIT(PG_head) : i == 1 ? 0xffUL : 0);
		atomic_set(&ours[i]._mapcount, -1);
	}
	compat_make_huge(ours);
	for (i = 1; i < HPAGE_PMD_NR; i++) {
		if (compound_head(theirs + i) != theirs || compound_head(ours + i) != ours ||
		    page_ref_count(theirs + i) || theirs[i].flags.f != ours[i].flags.f ||
		    (i > 3 && theirs[i].mapping != ours[i].mapping))
			return false;
	}
	/* All fields of the first tail page, and the one list of the second. */
	return theirs->flags.f == ours->flags.f &&
#ifdef CONFIG_MM_ID
	       a->_mm_ids == b->_mm_ids &&
	       a->_mm_id_mapcount[0] == b->_mm_id_mapcount[0] &&
	       a->_mm_id_mapcount[1] == b->_mm_id_mapcount[1] &&
#endif
	       !memcmp(&a->_large_mapcount, &b->_large_mapcount, 2 * sizeof(u64)) &&
	       !memcmp(&a->_mapcount_1, &b->_mapcount_1, 2 * sizeof(u64)) &&
	       list_empty(&a->_deferred_list) && list_empty(&b->_deferred_list);
}

/* Asks for memory. If this kernel does it in another way, huge pages arrive as small ones. */
static inline bool compat_huge_works(void)
{
	unsigned int order = get_order(HPAGE_PMD_NR * sizeof(struct page));
	const gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
	struct page *theirs, *ours;
	bool alike;

	if (!thp_migration_supported())
		return false;
	theirs = alloc_pages(gfp | __GFP_COMP, HPAGE_PMD_ORDER);
	ours = (struct page *)__get_free_pages(gfp | __GFP_ZERO, order);
	alike = theirs && ours && compat_huge_alike(theirs, ours);
	if (theirs && ours && !alike)
		pr_warn("this kernel makes huge pages in a way that is not known here\n");
	if (theirs)
		__free_pages(theirs, HPAGE_PMD_ORDER);
	free_pages((unsigned long)ours, order);
	return alike;
}

/* To be told of a page that the kernel is to map as a huge page. */
static inline void compat_huge_mappable(struct page *head)
{
	folio_set_large_rmappable((struct folio *)head);
}

#else

#define COMPAT_SELECT_HUGE	0
#define COMPAT_PFN_HUGE		0UL

static inline void compat_make_huge(struct page *head)
{
}

static inline bool compat_huge_works(void)
{
	return false;
}

static inline void compat_huge_mappable(struct page *head)
{
}

#endif
#endif
