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

/* Call f for the largest aligned pieces of a range. */
static void for_pieces(unsigned long pfn, unsigned long end)
{
	unsigned int order;

	while (pfn < end) {
		order = min_t(unsigned int, NVWA_CHUNK_ORDER, pfn ? __ffs(pfn) : NVWA_CHUNK_ORDER);
		order = min_t(unsigned int, order, ilog2(end - pfn));
		generic_online_page(pfn_to_page(pfn), order);
		pfn += 1UL << order;
	}
}

/*
 * Called under the memory hotplug lock for each piece of memory that comes
 * online. The caller of add_memory() holds nvwa_lock, so the sets stand still.
 */
static void online_page(struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page), end = pfn + (1UL << order);
	struct adopted *a = nvwa_adopted;
	unsigned long held, row;

	/* memory_callback_free() asks only, but something may come online just then. */
	if (!a) {
		generic_online_page(page, order);
		return;
	}
	while (pfn < end) {
		held = min3(pfnset_next(&a->pages, pfn), pfnset_next(&a->record, pfn), end);
		for_pieces(pfn, held);
		if (held == end)
			break;
		row = max(pfnset_row(&a->pages, held, end - held),
			  pfnset_row(&a->record, held, end - held));
		nr_held += row;
		pfn = held + row;
	}
}

static int add_size(struct resource *res, void *sum)
{
	*(u64 *)sum += resource_size(res);
	return 0;
}

/*
 * How much of a range is RAM to this kernel. Added memory lies inside what the
 * firmware map calls reserved, where region_intersects() did not find it
 * before 6.12.
 */
static u64 ram_in(u64 phys, u64 len)
{
	u64 sum = 0;

	walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM, phys, phys + len - 1,
			    &sum, add_size);
	return sum;
}

bool memory_hidden(u64 phys, u64 len)
{
	return !ram_in(phys, len);
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

		if (!ram)
			continue;
		if (p > first)
			err = add_blocks(arg->nid, first, p - first);
		if (ram != step && !err) {
			pr_err("memory block %#llx is in part this kernel's own\n", p);
			err = -EEXIST;
		}
		first = p + step;
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


void memory_claim(unsigned long pfn, unsigned long nr)
{
	unsigned long i, n;

	for (; nr; pfn += n, nr -= n) {
		/* A section is all of one zone. */
		n = min(nr, PAGES_PER_SECTION - pfn % PAGES_PER_SECTION);
		for (i = 0; i < n; i++) {
			compat_clear_hotplugged(pfn_to_page(pfn + i));
			set_page_count(pfn_to_page(pfn + i), 1);
		}
		adjust_managed_page_count(pfn_to_page(pfn), n);
	}
}

void memory_give(unsigned long pfn, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		clear_highpage(pfn_to_page(pfn + i));
	for_pieces(pfn, pfn + nr);
}
