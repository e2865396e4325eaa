// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old kernel's side: take references on the pages of stopped processes,
 * copy those that cannot stay where they are, and write down where they lie.
 * Page tables are never changed; letting go is dropping references and copies.
 */
#include "capture.h"

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#define MAX_RANGES	(1U << 20)

/*
 * How long a call waits for others to let go: of pages that are pinned for DMA,
 * and of pages with a reference of unknown purpose.
 */
#define DMA_WAIT_NS	NSEC_PER_SEC
#define UNKNOWN_WAIT_NS	(100 * NSEC_PER_MSEC)

/* One call of capture_process(). */
struct job {
	struct capture_job common;
	struct mm_struct *mm;
};

int capture_begin(struct nvwa_begin *b, struct capture **out)
{
	struct capture *c;
	int err;

	if (!b->nr_scratch || b->nr_scratch > 4096)
		return -EINVAL;
	c = kvzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	outside_init(&c->outside);
	pfnset_init(&c->pinned);
	pfnset_init(&c->copies);
	xa_init(&c->pids);
	xa_init(&c->shmem);
	memcpy(c->nonce, b->nonce, sizeof(c->nonce));
	memcpy(c->writer, b->writer, sizeof(c->writer));
	err = nvwa_get_ranges(b->scratch, b->nr_scratch, PHYS_ADDR_MAX, &c->outside.scratch);
	if (err)
		goto fail;
	c->outside.nr_scratch = b->nr_scratch;
	err = store_init(&c->store, &c->outside);
	if (err)
		goto fail;
	outside_trim(&c->outside);
	b->header_phys = page_to_phys(c->store.header);
	*out = c;
	return 0;

fail:
	outside_destroy(&c->outside);
	kvfree(c);
	return err;
}

static void copy_free(struct page *page)
{
	clear_highpage(page);
	__free_page(page);
}

void capture_end(struct capture *c)
{
	unsigned long pfn, id;
	struct file *file;

	for (pfn = pfnset_next(&c->pinned, 0); pfn != ULONG_MAX;
	     pfn = pfnset_next(&c->pinned, pfn + 1)) {
		put_page(pfn_to_page(pfn));
		cond_resched();
	}
	for (pfn = pfnset_next(&c->copies, 0); pfn != ULONG_MAX;
	     pfn = pfnset_next(&c->copies, pfn + 1)) {
		copy_free(pfn_to_page(pfn));
		cond_resched();
	}
	pfnset_destroy(&c->pinned);
	pfnset_destroy(&c->copies);
	xa_destroy(&c->pids);
	xa_for_each(&c->shmem, id, file)
		fput(file);
	xa_destroy(&c->shmem);
	store_destroy(&c->store);
	outside_destroy(&c->outside);
	kvfree(c);
}

u64 capture_held(const struct capture *c)
{
	return c->pinned.nr + c->copies.nr;
}

static int run_add(struct capture_job *j, u64 addr, unsigned long pfn, u32 nr)
{
	struct nvwa_run *r = j->nr_runs ? &j->runs[j->nr_runs - 1] : NULL;

	if (r && r->addr + r->nr * PAGE_SIZE == addr && r->pfn + r->nr == pfn &&
	    r->nr <= U32_MAX - nr) {
		r->nr += nr;
		j->nr_pages += nr;
		return 0;
	}
	if (j->nr_runs == j->max_runs) {
		u64 max = max_t(u64, 1024, j->max_runs * 2);
		struct nvwa_run *bigger = kvmalloc_array(max, sizeof(*r), GFP_KERNEL);

		if (!bigger)
			return -ENOMEM;
		if (j->nr_runs)
			memcpy(bigger, j->runs, j->nr_runs * sizeof(*r));
		kvfree(j->runs);
		j->runs = bigger;
		j->max_runs = max;
	}
	j->runs[j->nr_runs++] = (struct nvwa_run){ .addr = addr, .pfn = pfn, .nr = nr };
	j->nr_pages += nr;
	return 0;
}

void capture_job_undo(struct capture_job *j)
{
	struct capture *c = j->c;
	unsigned long pfn;
	u64 i;
	u32 k;

	for (i = 0; i < j->nr_runs; i++) {
		for (k = 0; k < j->runs[i].nr; k++) {
			pfn = j->runs[i].pfn + k;
			if (pfnset_has(&c->copies, pfn)) {
				pfnset_del(&c->copies, pfn, 1);
				copy_free(pfn_to_page(pfn));
			} else {
				pfnset_del(&c->pinned, pfn, 1);
				put_page(pfn_to_page(pfn));
			}
		}
		cond_resched();
	}
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
 * Can something write into this process while all of its threads are stopped,
 * and not pin the page? With io_uring refused, only AIO goes on by itself.
 */
static bool writes_unpinned(struct mm_struct *mm)
{
#ifdef CONFIG_AIO
	return rcu_access_pointer(mm->ioctx_table);
#else
	return false;
#endif
}

/*
 * Wait until nobody else holds the pages of a batch. A DMA that ends after the
 * page was copied, or in the middle of the jump, would corrupt memory.
 */
static int wait_for_holders(struct capture_job *j, u64 addr, struct page **pages, long nr)
{
	enum holder holder;
	s64 *left, start;
	long i;

	for (i = 0; i < nr; i++) {
		while ((holder = page_holder(j->c, pages[i])) != HOLDER_NONE) {
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
			j->busy_addr = addr + i * PAGE_SIZE;
			pr_err("%s %llu: the page at %#llx is held for DMA\n",
			       j->kind, j->id, j->busy_addr);
			return -EBUSY;
		}
		j->nr_unknown += holder == HOLDER_UNKNOWN;
	}
	return 0;
}

/*
 * Take over the caller's references on frames in a row that may stay where
 * they are; -EEXIST if they may not.
 */
static int row_pin(struct capture_job *j, u64 addr, unsigned long pfn, u32 nr)
{
	struct capture *c = j->c;
	int err;

	if (outside_inside(&c->outside, PFN_PHYS(pfn), nr * PAGE_SIZE))
		return -EEXIST;
	err = pfnset_add(&c->pinned, pfn, nr);
	if (err)
		return err;
	err = run_add(j, addr, pfn, nr);
	if (err) {
		pfnset_del(&c->pinned, pfn, nr);
		return err;
	}
	j->nr_pinned += nr;
	return 0;
}

/* Copy a page and drop the caller's reference on it; on failure that is the caller's still. */
static int page_copy(struct capture_job *j, u64 addr, struct page *page)
{
	struct capture *c = j->c;
	bool shared = pfnset_has(&c->pinned, page_to_pfn(page));
	struct page *copy;
	int err;

	copy = outside_page(&c->outside);
	if (!copy)
		return -ENOMEM;
	err = pfnset_add(&c->copies, page_to_pfn(copy), 1);
	if (err)
		goto fail_copy;
	err = run_add(j, addr, page_to_pfn(copy), 1);
	if (err)
		goto fail_run;
	copy_highpage(copy, page);
	put_page(page);
	if (shared)
		j->nr_unshared++;
	else
		j->nr_evacuated++;
	return 0;

fail_run:
	pfnset_del(&c->copies, page_to_pfn(copy), 1);
fail_copy:
	__free_page(copy);
	return err;
}

/*
 * Take over the caller's references on the first pages that are frames in a
 * row; *taken is how many of them, the others are the caller's still.
 */
static int row_take(struct capture_job *j, u64 addr, struct page **pages, long nr, long *taken)
{
	unsigned long pfn = page_to_pfn(pages[0]);
	long row = 1;
	int err;

	while (row < nr && page_to_pfn(pages[row]) == pfn + row)
		row++;
	*taken = 0;
	err = row_pin(j, addr, pfn, row);
	if (!err)
		*taken = row;
	if (err != -EEXIST)
		return err;
	for (; *taken < row; (*taken)++, pages++, addr += PAGE_SIZE) {
		err = row_pin(j, addr, page_to_pfn(*pages), 1);
		if (err == -EEXIST)
			err = page_copy(j, addr, *pages);
		if (err)
			return err;
	}
	return 0;
}

int capture_job_take(struct capture_job *j, u64 addr, struct page **pages, long nr)
{
	long i, taken;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		err = PageHWPoison(pages[i]) ? -EIO : 0;
	if (!err)
		err = wait_for_holders(j, addr, pages, nr);
	for (i = 0; i < nr && !err; i += taken)
		err = row_take(j, addr + i * PAGE_SIZE, &pages[i], nr - i, &taken);
	for (; i < nr; i++)
		put_page(pages[i]);
	return err;
}

int capture_job_init(struct capture_job *j, struct capture *c, const char *kind, u64 id)
{
	*j = (struct capture_job){
		.c = c,
		.kind = kind,
		.id = id,
		.dma_wait_ns = DMA_WAIT_NS,
		.unknown_wait_ns = c->writes_unpinned ? UNKNOWN_WAIT_NS : 0,
	};
	j->pages = kmalloc_array(CAPTURE_BATCH, sizeof(*j->pages), GFP_KERNEL);
	return j->pages ? 0 : -ENOMEM;
}

void capture_job_free(struct capture_job *j)
{
	kfree(j->pages);
	kvfree(j->runs);
}

/* Private memory; also refuses the zero page, which is no memory of the process. */
static bool pages_anon(struct page **pages, long nr)
{
	long i;

	for (i = 0; i < nr; i++) {
		if (!PageHWPoison(pages[i]) && (!PageAnon(pages[i]) || PageHuge(pages[i])))
			return false;
	}
	return true;
}

/* Take up to CAPTURE_BATCH pages from addr; returns how many. */
static long batch_take(struct job *j, u64 addr, unsigned long nr)
{
	struct page **pages = j->common.pages;
	long i, got;
	int err;

	/*
	 * Without FOLL_WRITE a page shared copy-on-write stays shared, with
	 * FOLL_FORCE it does not matter what the protection is, and with
	 * FOLL_DUMP a hole is an error and not filled.
	 */
	if (mmap_read_lock_killable(j->mm))
		return -EINTR;
	got = get_user_pages_remote(j->mm, addr, nr, FOLL_FORCE | FOLL_DUMP | FOLL_HWPOISON,
				    pages, NULL);
	mmap_read_unlock(j->mm);
	if (got <= 0)
		return got == -EHWPOISON ? -EIO : got ? got : -EFAULT;
	if (!pages_anon(pages, got)) {
		for (i = 0; i < got; i++)
			put_page(pages[i]);
		return -EFAULT;
	}
	err = capture_job_take(&j->common, addr, pages, got);
	return err ? err : got;
}

static int job_take(struct job *j, const struct nvwa_range *ranges, u32 nr_ranges)
{
	u64 addr, end;
	long got;
	u32 i;

	for (i = 0; i < nr_ranges; i++) {
		end = ranges[i].start + ranges[i].len;
		for (addr = ranges[i].start; addr < end; addr += got * PAGE_SIZE) {
			got = min_t(u64, CAPTURE_BATCH, (end - addr) / PAGE_SIZE);
			got = batch_take(j, addr, got);
			if (got < 0) {
				pr_err("process %llu: cannot take pages from %#llx on: %ld\n",
				       j->common.id, addr, got);
				return got;
			}
			cond_resched();
		}
	}
	return 0;
}

int capture_process(struct capture *c, struct nvwa_capture *arg)
{
	struct nvwa_range *ranges = NULL;
	struct job j = { 0 };
	int err;

	if (c->sealed || arg->flags || arg->nr_ranges > MAX_RANGES)
		return -EINVAL;
	arg->nr_pinned = arg->nr_evacuated = arg->nr_unshared = arg->nr_runs = 0;
	arg->busy_addr = 0;
	err = nvwa_get_ranges(arg->ranges, arg->nr_ranges, TASK_SIZE_MAX, &ranges);
	if (err)
		return err;
	j.mm = nvwa_mm_of(arg->pid);
	err = j.mm ? 0 : -ESRCH;
	if (err)
		goto free_ranges;
	c->writes_unpinned |= writes_unpinned(j.mm);
	err = capture_job_init(&j.common, c, "process", arg->pid);
	if (err)
		goto put_mm;
	if (!writes_unpinned(j.mm))
		j.common.unknown_wait_ns = 0;
	err = xa_insert(&c->pids, arg->pid, xa_mk_value(1), GFP_KERNEL);
	if (err) {
		err = err == -EBUSY ? -EEXIST : err;
		goto put_mm;
	}

	err = job_take(&j, ranges, arg->nr_ranges);
	if (!err)
		err = store_put_pages(&c->store, arg->pid, j.common.runs, j.common.nr_runs,
				      j.common.nr_pages);
	arg->busy_addr = j.common.busy_addr;
	if (err) {
		capture_job_undo(&j.common);
		xa_erase(&c->pids, arg->pid);
		goto put_mm;
	}
	arg->nr_pinned = j.common.nr_pinned;
	arg->nr_evacuated = j.common.nr_evacuated;
	arg->nr_unshared = j.common.nr_unshared;
	arg->nr_runs = j.common.nr_runs;
	if (j.common.nr_unknown && writes_unpinned(j.mm))
		pr_info("process %d: %llu pages have a reference of unknown purpose\n",
			arg->pid, j.common.nr_unknown);

put_mm:
	mmput(j.mm);
	capture_job_free(&j.common);
free_ranges:
	kvfree(ranges);
	outside_trim(&c->outside);
	return err;
}

int capture_put(struct capture *c, struct nvwa_put *arg)
{
	char name[256];
	int err;

	if (c->sealed || arg->flags || arg->reserved || !arg->name_len || arg->name_len > 255)
		return -EINVAL;
	if (copy_from_user(name, u64_to_user_ptr(arg->name), arg->name_len))
		return -EFAULT;
	if (!record_name_ok(name, arg->name_len))
		return -EINVAL;
	err = store_put_file(&c->store, name, arg->name_len, u64_to_user_ptr(arg->data),
			     arg->data_len);
	outside_trim(&c->outside);
	return err;
}

/* Does anything that the next kernel must find meet this range? */
static bool capture_meets(struct capture *c, const struct nvwa_range *r)
{
	unsigned long first = PHYS_PFN(r->start);
	unsigned long end = PHYS_PFN(r->start + r->len);

	return store_meets(&c->store, r->start, r->len) ||
	       pfnset_next(&c->pinned, first) < end || pfnset_next(&c->copies, first) < end;
}

int capture_seal(struct capture *c, struct nvwa_seal *arg)
{
	struct nvwa_range *segments;
	bool bad = false;
	u32 i;
	int err;

	if (c->sealed || arg->flags || arg->reserved || arg->nr_segments > 4096)
		return -EINVAL;
	err = nvwa_get_ranges(arg->segments, arg->nr_segments, PHYS_ADDR_MAX, &segments);
	if (err)
		return err;
	for (i = 0; i < arg->nr_segments; i++)
		bad |= capture_meets(c, &segments[i]);
	for (i = 0; i < c->outside.nr_scratch; i++)
		bad |= capture_meets(c, &c->outside.scratch[i]);
	kvfree(segments);
	if (bad) {
		pr_err("what is carried meets the scratch or a segment of the next kernel\n");
		return -EBADSLT;
	}
	c->sealed = true;
	err = store_seal(&c->store, c->nonce, c->writer, &arg->seal_tsc);
	if (err)
		return err;
	arg->record_len = c->store.len;
	arg->record_mem = store_memory(&c->store);
	arg->nr_pages = c->store.nr_pages;
	pr_info("sealed: %llu pages, record of %llu bytes at %#llx\n", arg->nr_pages,
		arg->record_len, (u64)page_to_phys(c->store.header));
	return 0;
}
