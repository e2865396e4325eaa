// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adding RAM that the firmware map hides, while holding back the pages that
 * the record names. Held pages are online and counted as present, but never
 * were in the allocator.
 */
#include "nvwa.h"

#include <linux/highmem.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/numa.h>
#include <linux/pfn.h>

/* Pages held back by the callback since memory_add() began. */
static u64 nr_held;

static void claim_page(struct page *page)
{
	compat_clear_hotplugged(page);
	compat_kasan_unpoison(page);
	set_page_count(page, 1);
}

/*
 * Give one piece to the allocator; returns how many pages of it are still to be
 * counted as managed. The kernel's own way counts each piece, which may take
 * longer than all the rest if the piece is small, so that small ones go the way of
 * allocated pages that are freed.
 */
static unsigned long give_piece(unsigned long pfn, unsigned int order)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long i;

	if (order >= 5) {
		generic_online_page(page, order);
		return 0;
	}
	claim_page(page);
	for (i = 1; i < 1UL << order; i++) {
		claim_page(page + i);
		set_page_count(page + i, 0);
	}
	__free_pages(page, order);
	return 1UL << order;
}

/* Give a range of one zone to the allocator, in the largest aligned pieces. */
static void give_range(unsigned long pfn, unsigned long end, unsigned long *uncounted)
{
	unsigned int order;

	while (pfn < end) {
		order = min_t(unsigned int, NVWA_CHUNK_ORDER, pfn ? __ffs(pfn) : NVWA_CHUNK_ORDER);
		order = min_t(unsigned int, order, ilog2(end - pfn));
		*uncounted += give_piece(pfn, order);
		pfn += 1UL << order;
	}
}

/*
 * Called under the memory hotplug lock for each piece of memory that comes
 * online. The caller of add_memory() holds nvwa_lock, so the sets stand still.
 */
static void online_piece(struct adopted *a, unsigned long pfn, unsigned long nr)
{
	DECLARE_BITMAP(held, 1 << NVWA_CHUNK_ORDER) = { 0 };
	unsigned long from = 0, to, uncounted = 0;

	/* Pages of programs lie between free ones, so every bit may change; ask the sets once. */
	pfnset_or(&a->pages, pfn, nr, held);
	pfnset_or(&a->record, pfn, nr, held);
	while (from < nr) {
		to = find_next_bit(held, nr, from);
		give_range(pfn + from, pfn + to, &uncounted);
		from = find_next_zero_bit(held, nr, to);
		nr_held += from - to;
	}
	if (uncounted)
		adjust_managed_page_count(pfn_to_page(pfn), uncounted);
}

static void online_page(struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page), end = pfn + (1UL << order), n;
	struct adopted *a = nvwa_adopted;

	/*
	 * memory_callback_free() asks only, but something may come online just
	 * then. Pieces of less than a word do not occur.
	 */
	if (!a || WARN_ON_ONCE(order < ilog2(BITS_PER_LONG))) {
		generic_online_page(page, order);
		return;
	}
	for (; pfn < end; pfn += n) {
		n = min(end - pfn, 1UL << NVWA_CHUNK_ORDER);
		online_piece(a, pfn, n);
	}
}

static int add_size(struct resource *res, void *sum)
{
	*(u64 *)sum += resource_size(res);
	return 0;
}

/*
 * How much of a range is of a kind. Added memory lies inside what the
 * firmware map calls reserved, where region_intersects() did not find it
 * before 6.12.
 */
static u64 size_in(unsigned long desc, unsigned long flags, u64 phys, u64 len)
{
	u64 sum = 0;

	walk_iomem_res_desc(desc, flags, phys, phys + len - 1, &sum, add_size);
	return sum;
}

static u64 ram_in(u64 phys, u64 len)
{
	return size_in(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM, phys, len);
}

/* RAM is hidden by calling it reserved; elsewhere there are devices, or nothing. */
bool memory_hidden(u64 phys, u64 len)
{
	return !ram_in(phys, len) &&
	       size_in(IORES_DESC_RESERVED, IORESOURCE_MEM, phys, len) == len;
}

bool memory_callback_free(void)
{
	if (set_online_page_callback(online_page))
		return false;
	restore_online_page_callback(online_page);
	return true;
}

static int node_of(s32 nid, u64 start)
{
	if (nid == NUMA_NO_NODE)
		nid = phys_to_target_node(start);
	if (nid == NUMA_NO_NODE)
		nid = first_online_node;
	return nid;
}

/* Add blocks none of which is there yet. */
static int add_blocks(s32 nid, u64 start, u64 len)
{
	unsigned long step = memory_block_size_bytes();
	int err;
	u64 p;

	err = add_memory(node_of(nid, start), start, len, MHP_NONE);
	if (err) {
		pr_err("cannot add memory %#llx-%#llx: %d\n", start, start + len - 1, err);
		return err;
	}
	for (p = start; p < start + len; p += step) {
		if (pfn_to_online_page(PHYS_PFN(p)))
			continue;
		pr_err("memory %#llx did not come online: is auto_online_blocks set?\n",
		       p);
		/* Offline memory is useless and in the way of a second try. */
		if (remove_memory(start, len))
			pr_err("and some of it cannot be removed\n");
		return -ENOTCONN;
	}
	return 0;
}

/*
 * What is added is struct pages first, which take a 64th of it and come out of
 * memory that is online. The scratch has not enough for a large machine; so this goes
 * in pieces, each of which holds those of the next ones. As large as the
 * largest page of the kernel's direct map.
 */
#define PIECE_BYTES	BIT_ULL(30)

int memory_add(struct nvwa_add_memory *arg)
{
	u64 step = memory_block_size_bytes();
	u64 p, first, end;
	bool callback = false;
	int err = 0;

	if (arg->flags || arg->reserved || !arg->len || arg->start % step || arg->len % step ||
	    arg->len > NVWA_PHYS_LIMIT || arg->start > NVWA_PHYS_LIMIT - arg->len ||
	    arg->nid < NUMA_NO_NODE || arg->nid >= MAX_NUMNODES)
		return -EINVAL;
	nr_held = 0;
	if (nvwa_adopted) {
		if (set_online_page_callback(online_page)) {
			pr_err("another driver has the memory online callback\n");
			return -EBUSY;
		}
		callback = true;
	}
	end = arg->start + arg->len;
	for (p = first = arg->start; p <= end && !err; p += step) {
		u64 ram = p < end ? ram_in(p, step) : step;

		if (!ram && p % PIECE_BYTES)
			continue;
		if (p > first)
			err = add_blocks(arg->nid, first, p - first);
		if (ram && ram != step && !err) {
			pr_err("memory block %#llx is in part this kernel's own\n", p);
			err = -EEXIST;
		}
		first = ram ? p + step : p;
	}
	if (callback)
		restore_online_page_callback(online_page);
	arg->nr_held = nr_held;
	return err;
}

unsigned long memory_held(unsigned long pfn, unsigned long nr)
{
	unsigned long row = 0, end;

	while (row < nr) {
		/* A section is online as a whole or not at all. */
		if (!pfn_to_online_page(pfn + row))
			break;
		end = min(nr, row + PAGES_PER_SECTION - (pfn + row) % PAGES_PER_SECTION);
		for (; row < end; row++) {
			if (!compat_page_hotplugged(pfn_to_page(pfn + row)))
				return row;
		}
	}
	return row;
}

void memory_claim_pages(const unsigned long *pfns, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		claim_page(pfn_to_page(pfns[i]));
}

void memory_claim_count(const unsigned long *pfns, unsigned long nr)
{
	unsigned long i, first = 0, section = 0;
	struct zone *zone = NULL;

	/*
	 * Once a zone: the kernel may work out its reserves anew each time. A
	 * section is all of one zone.
	 */
	for (i = 0; i < nr; i++) {
		if (zone && pfns[i] / PAGES_PER_SECTION == section)
			continue;
		section = pfns[i] / PAGES_PER_SECTION;
		if (zone && page_zone(pfn_to_page(pfns[i])) != zone) {
			adjust_managed_page_count(pfn_to_page(pfns[first]), i - first);
			first = i;
		}
		zone = page_zone(pfn_to_page(pfns[i]));
	}
	if (nr)
		adjust_managed_page_count(pfn_to_page(pfns[first]), nr - first);
}

void memory_give(unsigned long pfn, unsigned long nr)
{
	unsigned long i, uncounted = 0;

	for (i = 0; i < nr; i++)
		clear_highpage(pfn_to_page(pfn + i));
	give_range(pfn, pfn + nr, &uncounted);
	if (uncounted)
		adjust_managed_page_count(pfn_to_page(pfn), uncounted);
}
