// SPDX-License-Identifier: GPL-2.0-only
/*
 * The new kernel's side: find the record, read it into memory of our own,
 * believe it only after all checks, and keep it until it is released.
 */
#include "nvwa.h"

#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

struct adopted *nvwa_adopted;

/* Copy from memory that this kernel does not have in its map. */
static int read_hidden(void *to, u64 phys, u64 len)
{
	void *from = memremap(phys, len, MEMREMAP_WB);

	if (!from) {
		pr_err("cannot map %#llx\n", phys);
		return -ENOMEM;
	}
	memcpy(to, from, len);
	memunmap(from);
	return 0;
}

static void wipe_hidden(unsigned long pfn, unsigned long nr)
{
	void *to = memremap(PFN_PHYS(pfn), nr * PAGE_SIZE, MEMREMAP_WB);

	if (!to)
		return;
	memset(to, 0, nr * PAGE_SIZE);
	memunmap(to);
}

static int read_header(struct adopted *a, struct nvwa_adopt *arg)
{
	int err;

	BUILD_BUG_ON(sizeof(a->header) != PAGE_SIZE);
	if (!PAGE_ALIGNED(arg->header_phys) || arg->header_phys > NVWA_PHYS_LIMIT - PAGE_SIZE)
		return -EINVAL;
	if (!memory_hidden(arg->header_phys, PAGE_SIZE)) {
		pr_err("no record at %#llx: that is not in hidden memory\n",
		       arg->header_phys);
		return -ENOENT;
	}
	err = read_hidden(&a->header, arg->header_phys, sizeof(a->header));
	if (err)
		return err;
	a->header_phys = arg->header_phys;
	return record_check_header(&a->header, arg->nonce);
}

static int read_stream(struct adopted *a)
{
	const struct nvwa_header *h = &a->header;
	u8 sha256[NVWA_SHA256_LEN];
	struct digest digest;
	u64 at = 0;
	u32 i;
	int err;

	/* A byte more, as an empty record is possible. */
	a->stream = vmalloc_user(h->record_len + 1);
	if (!a->stream)
		return -ENOMEM;
	for (i = 0; i < h->nr_chunks; i++) {
		err = read_hidden(a->stream + at, h->chunks[i].phys, h->chunks[i].len);
		if (err)
			return err;
		at += h->chunks[i].len;
		cond_resched();
	}
	digest_init(&digest);
	digest_update(&digest, a->stream, h->record_len);
	if (!digest_final(&digest, sha256) || memcmp(sha256, h->record_sha256, sizeof(sha256))) {
		pr_err("the record is damaged\n");
		return -EBADMSG;
	}
	return 0;
}

/* Note the record's own pages; neither twice nor also the page of a process. */
static int note_record(struct adopted *a, u64 phys, u64 len)
{
	unsigned long pfn = PHYS_PFN(phys), nr = PFN_UP(len);
	int err = pfnset_add(&a->record, pfn, nr);

	if (!err && pfnset_next(&a->pages, pfn) < pfn + nr)
		err = -EEXIST;
	if (err == -EEXIST) {
		pr_err("record refused: its memory at %#llx is named twice\n", phys);
		return -EINVAL;
	}
	return err;
}

static void adopted_free(struct adopted *a)
{
	pfnset_destroy(&a->pages);
	pfnset_destroy(&a->record);
	record_parts_free(&a->parts);
	vfree(a->stream);
	kvfree(a);
}

/* The moments after the seal that can be true. */
static struct nvwa_late late_in_order(const struct nvwa_header *h)
{
	struct nvwa_late late = h->late;
	u64 now = rdtsc_ordered();

	if (late.told_tsc < h->seal_tsc || late.told_tsc > now)
		return (struct nvwa_late){ };
	if (late.devices_tsc < late.told_tsc || late.devices_tsc > now)
		late.devices_tsc = 0;
	if (!late.devices_tsc || late.parked_tsc < late.devices_tsc || late.parked_tsc > now)
		late.parked_tsc = 0;
	return late;
}

int adopt(struct nvwa_adopt *arg)
{
	struct adopted *a;
	u32 i;
	int err;

	if (arg->flags)
		return -EINVAL;
	a = kvzalloc(sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	pfnset_init(&a->pages);
	pfnset_init(&a->record);
	err = read_header(a, arg);
	if (!err)
		err = read_stream(a);
	if (!err)
		err = record_check_stream(a->stream, a->header.record_len, a->header.nr_pages,
					  &a->pages, &a->parts);
	if (!err)
		err = note_record(a, a->header_phys, PAGE_SIZE);
	for (i = 0; !err && i < a->header.nr_chunks; i++)
		err = note_record(a, a->header.chunks[i].phys, a->header.chunks[i].len);
	if (err) {
		adopted_free(a);
		return err;
	}

	arg->record_len = a->header.record_len;
	arg->nr_pages = a->header.nr_pages;
	arg->seal_tsc = a->header.seal_tsc;
	arg->seal_realtime_ns = a->header.seal_realtime_ns;
	arg->seal_boottime_ns = a->header.seal_boottime_ns;
	arg->tsc_khz = a->header.tsc_khz;
	arg->tai_offset_s = a->header.tai_offset_s;
	arg->late = late_in_order(&a->header);
	nvwa_adopted = a;
	__module_get(THIS_MODULE);
	pr_info("adopted %llu pages of %u processes and %u files, record of %llu bytes from %s\n",
		arg->nr_pages, a->parts.nr_processes, a->parts.nr_shmem, arg->record_len,
		a->header.writer);
	return 0;
}

void adopted_forget(const unsigned long *pfns, unsigned long nr)
{
	unsigned long i, n;

	for (i = 0; i < nr; i += n) {
		for (n = 1; i + n < nr && pfns[i + n] == pfns[i] + n; n++)
			;
		pfnset_del(&nvwa_adopted->pages, pfns[i], n);
	}
	memory_claim_count(pfns, nr);
}

/*
 * Wipe every page of the set, and give it to the allocator where it is online.
 * What somebody else brought online meanwhile is no longer ours to touch.
 * Returns how many.
 */
static u64 let_go(struct pfnset *s)
{
	unsigned long pfn = 0, nr, held;
	u64 all = 0;

	while ((pfn = pfnset_next(s, pfn)) != ULONG_MAX) {
		/* At most a memory section, all of which is online or not. */
		nr = pfnset_row(s, pfn, PAGES_PER_SECTION - pfn % PAGES_PER_SECTION);
		held = memory_held(pfn, nr);
		if (held) {
			nr = held;
			memory_give(pfn, nr);
			all += nr;
		} else if (memory_hidden(PFN_PHYS(pfn), nr * PAGE_SIZE)) {
			wipe_hidden(pfn, nr);
			all += nr;
		} else {
			nr = 1;
		}
		pfnset_del(s, pfn, nr);
		pfn += nr;
		cond_resched();
	}
	return all;
}

int adopt_release(struct nvwa_release *arg)
{
	struct adopted *a = nvwa_adopted;

	if (arg->flags)
		return -EINVAL;
	arg->nr_wiped = let_go(&a->pages);
	arg->nr_record = let_go(&a->record);
	nvwa_adopted = NULL;
	adopted_free(a);
	module_put(THIS_MODULE);
	pr_info("released: %llu unclaimed pages, %llu of the record\n", arg->nr_wiped,
		arg->nr_record);
	return 0;
}
