// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old kernel's side: take references on the pages of stopped processes,
 * copy those that cannot stay where they are, and write down where they lie.
 * Page tables are never changed; letting go is dropping references and copies.
 */
#include "capture.h"

#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#define MAX_RANGES	(1U << 20)

/* One call of capture_process(). */
struct job {
	struct capture *c;
	struct mm_struct *mm;
	struct nvwa_capture *arg;
	const struct nvwa_range *ranges;
	bool stop;			/* one of the threads failed */
};

/* What one thread takes: pages first to end of all ranges, laid end to end. */
struct shard {
	struct work_struct work;	/* first, for crew_run() */
	struct capture_job common;
	struct job *job;
	u64 first;
	u64 end;
	int err;
};

int capture_begin(struct nvwa_begin *b, struct capture **out)
{
	struct capture *c;
	int err;

	if (!b->nr_hidden || b->nr_hidden > 4096)
		return -EINVAL;
	c = kvzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	mutex_init(&c->lock);
	pfnset_init(&c->pinned);
	pfnset_init(&c->copies);
	pfnset_init(&c->evacuated);
	xa_init(&c->pids);
	xa_init(&c->shmem);
	memcpy(c->nonce, b->nonce, sizeof(c->nonce));
	memcpy(c->writer, b->writer, sizeof(c->writer));
	err = outside_init(&c->outside);
	if (!err)
		err = nvwa_get_ranges(b->hidden, b->nr_hidden, PHYS_ADDR_MAX,
				      &c->outside.hidden);
	if (err)
		goto fail;
	c->outside.nr_hidden = b->nr_hidden;
	err = store_init(&c->store, &c->outside);
	if (err)
		goto fail;
	outside_fill(&c->outside);
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
	pfnset_destroy(&c->evacuated);
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

static int run_add(struct capture_job *j, u64 addr, unsigned long pfn, u32 nr, u32 flags)
{
	struct nvwa_run *r = j->nr_runs ? &j->runs[j->nr_runs - 1] : NULL;

	if (r && r->addr + r->nr * PAGE_SIZE == addr && r->pfn + r->nr == pfn &&
	    r->flags == flags && r->nr <= U32_MAX - nr) {
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
	j->runs[j->nr_runs++] = (struct nvwa_run){
		.addr = addr, .pfn = pfn, .nr = nr, .flags = flags,
	};
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

/* How many of these are frames in a row? */
static long row_len(struct page **pages, long nr)
{
	unsigned long pfn = page_to_pfn(pages[0]);
	long row = 1;

	while (row < nr && page_to_pfn(pages[row]) == pfn + row)
		row++;
	return row;
}

/*
 * Are these frames in a row one huge page, mapped as such? That it is mapped
 * so may also be true of another process that shares it, but then nothing of
 * it was replaced in this one either.
 */
static bool row_huge(u64 addr, struct page **pages, long row)
{
	struct folio *folio = page_folio(pages[0]);

	return row == NVWA_HUGE_PAGES && IS_ALIGNED(addr, NVWA_HUGE_PAGES * PAGE_SIZE) &&
	       pages[0] == &folio->page && folio_nr_pages(folio) == NVWA_HUGE_PAGES &&
	       folio_test_anon(folio) && folio_entire_mapcount(folio);
}

/*
 * Take over the caller's references on frames in a row that may stay where
 * they are; -EEXIST if they may not.
 */
static int row_pin(struct capture_job *j, u64 addr, unsigned long pfn, u32 nr, u32 flags)
{
	struct capture *c = j->c;
	int err;

	if (!outside_has(&c->outside, PFN_PHYS(pfn), nr * PAGE_SIZE))
		return -EEXIST;
	err = pfnset_add(&c->pinned, pfn, nr);
	if (err)
		return err;
	err = run_add(j, addr, pfn, nr, flags);
	if (err) {
		pfnset_del(&c->pinned, pfn, nr);
		return err;
	}
	j->nr_pinned += nr;
	return 0;
}

/*
 * Did another process that shares these frames bring them along before? Outside of
 * hidden memory nobody can have pinned them. It is asked for the counts alone, so
 * that a set which cannot grow is no error.
 */
static bool row_shared(struct capture *c, unsigned long pfn, u32 nr)
{
	return pfnset_has(&c->pinned, pfn) || pfnset_add(&c->evacuated, pfn, nr) == -EEXIST;
}

/*
 * Copy pages in a row into others in a row, which are ours, and drop the
 * caller's references on them; on failure all are the caller's still.
 */
static int row_copy(struct capture_job *j, u64 addr, struct page **pages, struct page *copy,
		    u32 nr, u32 flags)
{
	struct capture *c = j->c;
	bool shared = row_shared(c, page_to_pfn(pages[0]), nr);
	u32 i;
	int err;

	err = pfnset_add(&c->copies, page_to_pfn(copy), nr);
	if (err)
		return err;
	err = run_add(j, addr, page_to_pfn(copy), nr, flags);
	if (err) {
		pfnset_del(&c->copies, page_to_pfn(copy), nr);
		return err;
	}
	for (i = 0; i < nr; i++) {
		copy_highpage(copy + i, pages[i]);
		put_page(pages[i]);
	}
	if (shared)
		j->nr_unshared += nr;
	else
		j->nr_evacuated += nr;
	return 0;
}

static int page_copy(struct capture_job *j, u64 addr, struct page **page)
{
	struct page *copy = outside_page(&j->c->outside, page_to_nid(*page));
	int err;

	if (!copy)
		return -ENOMEM;
	err = row_copy(j, addr, page, copy, 1, 0);
	if (err)
		__free_page(copy);
	return err;
}

/* -EEXIST if it can be taken in small pieces only. */
static int huge_take(struct capture_job *j, u64 addr, struct page **pages)
{
	const u32 nr = NVWA_HUGE_PAGES;
	struct page *copy;
	u32 i;
	int err;

	err = row_pin(j, addr, page_to_pfn(pages[0]), nr, NVWA_RUN_HUGE);
	if (err != -EEXIST)
		return err;
	copy = outside_huge(&j->c->outside, page_to_nid(pages[0]));
	if (!copy)
		return -EEXIST;
	err = row_copy(j, addr, pages, copy, nr, NVWA_RUN_HUGE);
	for (i = 0; i < nr && err; i++)
		__free_page(copy + i);
	return err;
}

/*
 * Take over the caller's references on the first pages that are frames in a
 * row; *taken is how many of them, the others are the caller's still.
 */
static int row_take(struct capture_job *j, u64 addr, struct page **pages, long nr, long *taken)
{
	long row = row_len(pages, nr);
	int err;

	*taken = 0;
	if (row_huge(addr, pages, row)) {
		err = huge_take(j, addr, pages);
		if (!err)
			*taken = row;
		if (err != -EEXIST)
			return err;
	}
	err = row_pin(j, addr, page_to_pfn(pages[0]), row, 0);
	if (!err)
		*taken = row;
	if (err != -EEXIST)
		return err;
	for (; *taken < row; (*taken)++, pages++, addr += PAGE_SIZE) {
		err = row_pin(j, addr, page_to_pfn(*pages), 1, 0);
		if (err == -EEXIST)
			err = page_copy(j, addr, pages);
		if (err)
			return err;
	}
	return 0;
}

static int pages_take(struct capture_job *j, u64 addr, struct page **pages, long nr, long *taken)
{
	long row;
	int err = 0;

	for (*taken = 0; *taken < nr && !err; *taken += row)
		err = row_take(j, addr + *taken * PAGE_SIZE, &pages[*taken], nr - *taken, &row);
	return err;
}

int capture_job_take(struct capture_job *j, u64 addr, struct page **pages, long nr)
{
	long i, taken = 0;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		err = PageHWPoison(pages[i]) ? -EIO : 0;
	if (!err)
		err = holders_wait(j, addr, pages, nr);
	if (!err) {
		mutex_lock(&j->c->lock);
		err = pages_take(j, addr, pages, nr, &taken);
		mutex_unlock(&j->c->lock);
	}
	for (; taken < nr; taken++)
		put_page(pages[taken]);
	return err;
}

int capture_job_init(struct capture_job *j, struct capture *c, const char *kind, u64 id)
{
	*j = (struct capture_job){
		.c = c,
		.kind = kind,
		.id = id,
	};
	holders_init(j);
	j->pages = kmalloc_array(CAPTURE_BATCH, sizeof(*j->pages), GFP_KERNEL);
	return j->pages ? 0 : -ENOMEM;
}

void capture_job_free(struct capture_job *j)
{
	kfree(j->pages);
	kvfree(j->runs);
}

/* Private memory, or what else a private mapping of a file has? */
static bool pages_anon(struct page **pages, long nr)
{
	long i;

	for (i = 0; i < nr; i++) {
		if (!PageHWPoison(pages[i]) && (!PageAnon(pages[i]) || PageHuge(pages[i])))
			return false;
	}
	return true;
}

/*
 * How many pages from addr on are the (huge) zero page, which is no memory of
 * the process: a hole reads the same. An anonymous mapping has nothing else
 * that is not anonymous memory.
 */
static long zero_pages(struct job *j, u64 addr, unsigned long nr)
{
	struct vm_area_struct *vma;
	struct page *page;
	long zeroes = 0;

	mmap_read_lock(j->mm);
	vma = find_vma(j->mm, addr);
	if (vma && vma_is_anonymous(vma) &&
	    get_user_pages_remote(j->mm, addr, 1, FOLL_FORCE | FOLL_NOFAULT, &page, NULL) == 1) {
		if (!PageAnon(page))
			zeroes = PageCompound(page) ? nr : 1;
		put_page(page);
	}
	mmap_read_unlock(j->mm);
	return zeroes;
}

static void pages_put(struct page **pages, long nr)
{
	long i;

	for (i = 0; i < nr; i++)
		put_page(pages[i]);
}

/*
 * Get references on pages from addr on, at most nr; how many, or 0 and how
 * many to skip in *skip. The lockless way is several times cheaper, but knows
 * only what is mapped and may be read.
 */
static long pages_get(struct job *j, u64 addr, unsigned long nr, struct page **pages, long *skip)
{
	long got = get_user_pages_fast_only(addr, nr, 0, pages);

	*skip = 0;
	if (got > 0 && PageAnon(pages[0]))
		return got;
	/* Older kernels take the huge zero page in this way, too. */
	pages_put(pages, max(got, 0L));
	/*
	 * Without FOLL_WRITE a page shared copy-on-write stays shared, with
	 * FOLL_FORCE it does not matter what the protection is, and with
	 * FOLL_DUMP a hole is an error and not filled.
	 */
	mmap_read_lock(j->mm);
	got = get_user_pages_remote(j->mm, addr, nr, FOLL_FORCE | FOLL_DUMP | FOLL_HWPOISON,
				    pages, NULL);
	mmap_read_unlock(j->mm);
	if (got > 0)
		return got;
	if (!got || got == -EFAULT)
		*skip = zero_pages(j, addr, nr);
	return *skip ? 0 : got == -EHWPOISON ? -EIO : got ? got : -EFAULT;
}

/* Take pages from addr on, at most a batch; how many are done with, or an error. */
static long batch_take(struct shard *s, u64 addr, unsigned long nr)
{
	struct page **pages = s->common.pages;
	long skip, got = pages_get(s->job, addr, nr, pages, &skip);
	int err;

	if (got <= 0)
		return got ? got : skip;
	if (!pages_anon(pages, got)) {
		pages_put(pages, got);
		return -EFAULT;
	}
	err = capture_job_take(&s->common, addr, pages, got);
	return err ? err : got;
}

/* Batches end where a huge page could. */
static int range_take(struct shard *s, u64 addr, u64 end)
{
	u64 next;
	long got;

	for (; addr < end && !READ_ONCE(s->job->stop); addr += got * PAGE_SIZE) {
		next = min(end, ALIGN(addr + 1, CAPTURE_BATCH * PAGE_SIZE));
		got = batch_take(s, addr, (next - addr) / PAGE_SIZE);
		if (got < 0) {
			pr_err("process %d: cannot take pages from %#llx on: %ld\n",
			       s->job->arg->pid, addr, got);
			return got;
		}
		cond_resched();
	}
	return 0;
}

/* Where in a range, before which lie `before` pages, a shard's border is. */
static u64 border(const struct nvwa_range *r, u64 before, u64 pages)
{
	if (pages <= before)
		return r->start;
	return min(r->start + r->len,
		   ALIGN(r->start + (pages - before) * PAGE_SIZE, CAPTURE_BATCH * PAGE_SIZE));
}

static void shard_work(struct work_struct *work)
{
	struct shard *s = container_of(work, struct shard, work);
	const struct nvwa_range *r = s->job->ranges;
	u64 before = 0;
	u32 i;

	/* The lockless way to get pages is for a process's own memory only. */
	kthread_use_mm(s->job->mm);
	for (i = 0; i < s->job->arg->nr_ranges && before < s->end && !s->err; i++, r++) {
		s->err = range_take(s, border(r, before, s->first), border(r, before, s->end));
		before += r->len / PAGE_SIZE;
	}
	kthread_unuse_mm(s->job->mm);
	if (s->err)
		WRITE_ONCE(s->job->stop, true);
}

/* Put all shards' runs into the record, in one array. */
static int shards_store(struct job *j, struct shard *s, unsigned int nr)
{
	struct nvwa_run *runs;
	u64 nr_runs = 0, nr_pages = 0, at = 0;
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		nr_runs += s[i].common.nr_runs;
		nr_pages += s[i].common.nr_pages;
	}
	runs = kvmalloc_array(nr_runs + 1, sizeof(*runs), GFP_KERNEL);
	if (!runs)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		if (s[i].common.nr_runs)
			memcpy(&runs[at], s[i].common.runs,
			       s[i].common.nr_runs * sizeof(*runs));
		at += s[i].common.nr_runs;
	}
	err = store_put_pages(&j->c->store, j->arg->pid, runs, nr_runs, nr_pages);
	kvfree(runs);
	return err;
}

/* What the shards did, in the caller's struct; the first error of any. */
static int shards_sum(struct job *j, struct shard *s, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr; i++) {
		const struct capture_job *common = &s[i].common;

		j->arg->nr_pinned += common->nr_pinned;
		j->arg->nr_evacuated += common->nr_evacuated;
		j->arg->nr_unshared += common->nr_unshared;
		j->arg->nr_runs += common->nr_runs;
		if (!s[i].err || err)
			continue;
		err = s[i].err;
		j->arg->busy_addr = common->busy_addr;
	}
	return err;
}

static int job_run(struct job *j)
{
	u64 total = 0;
	struct shard *s;
	unsigned int i, nr;
	int err = 0;

	for (i = 0; i < j->arg->nr_ranges; i++)
		total += j->ranges[i].len / PAGE_SIZE;
	nr = crew_size(total);
	s = kcalloc(nr, sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	for (i = 0; i < nr && !err; i++) {
		s[i].job = j;
		s[i].first = total / nr * i;
		s[i].end = i + 1 < nr ? total / nr * (i + 1) : total;
		err = capture_job_init(&s[i].common, j->c, "process", j->arg->pid);
	}
	if (!err) {
		crew_run(shard_work, s, sizeof(*s), nr);
		err = shards_sum(j, s, nr);
	}
	if (!err)
		err = shards_store(j, s, nr);
	for (i = 0; i < nr; i++) {
		if (err && s[i].job)
			capture_job_undo(&s[i].common);
		capture_job_free(&s[i].common);
	}
	kfree(s);
	return err;
}

/*
 * With io_uring refused, only asynchronous I/O writes into a process by itself while all of
 * its threads are stopped. Before 6.5 it takes plain references on the pages, as many others do.
 */
static int no_aio(struct mm_struct *mm, s32 pid)
{
	u32 nr;
	int err = aio_under_way(mm, &nr);

	if (err || !nr)
		return err;
	pr_err("process %d: %u requests of asynchronous I/O are under way\n", pid, nr);
	return -EBUSY;
}

int capture_process(struct capture *c, struct nvwa_capture *arg)
{
	struct nvwa_range *ranges = NULL;
	struct job j = { .c = c, .arg = arg };
	int err;

	if (c->sealed || arg->flags || arg->nr_ranges > MAX_RANGES)
		return -EINVAL;
	arg->nr_pinned = arg->nr_evacuated = arg->nr_unshared = arg->nr_runs = 0;
	arg->busy_addr = 0;
	err = nvwa_get_ranges(arg->ranges, arg->nr_ranges, TASK_SIZE_MAX, &ranges);
	if (err)
		return err;
	j.ranges = ranges;
	j.mm = nvwa_mm_of(arg->pid);
	err = j.mm ? 0 : -ESRCH;
	if (err)
		goto free_ranges;
	err = no_aio(j.mm, arg->pid);
	if (err)
		goto put_mm;
	err = xa_insert(&c->pids, arg->pid, xa_mk_value(1), GFP_KERNEL);
	if (err) {
		err = err == -EBUSY ? -EEXIST : err;
		goto put_mm;
	}
	err = job_run(&j);
	if (err)
		xa_erase(&c->pids, arg->pid);

put_mm:
	mmput(j.mm);
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

/* Does anything that the next kernel must find meet the range from start to end? */
static bool capture_meets(struct capture *c, u64 start, u64 end)
{
	unsigned long first = PHYS_PFN(start), last = PHYS_PFN(end);

	return start < end && (store_meets(&c->store, start, end - start) ||
			       pfnset_next(&c->pinned, first) < last ||
			       pfnset_next(&c->copies, first) < last);
}

/* The next kernel finds nothing that is not wholly in the memory that it will add. */
static bool all_hidden(struct capture *c)
{
	u64 from = 0;
	u32 i;

	for (i = 0; i < c->outside.nr_hidden; i++) {
		const struct nvwa_range *hidden = &c->outside.hidden[i];

		if (capture_meets(c, from, hidden->start))
			return false;
		from = hidden->start + hidden->len;
	}
	return !capture_meets(c, from, PHYS_ADDR_MAX);
}

static bool meets_segments(struct capture *c, const struct nvwa_range *segments, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (capture_meets(c, segments[i].start, segments[i].start + segments[i].len))
			return true;
	}
	return false;
}

int capture_seal(struct capture *c, struct nvwa_seal *arg)
{
	struct nvwa_range *segments;
	bool bad;
	int err;

	if (c->sealed || arg->flags || arg->reserved || arg->nr_segments > 4096)
		return -EINVAL;
	err = nvwa_get_ranges(arg->segments, arg->nr_segments, PHYS_ADDR_MAX, &segments);
	if (err)
		return err;
	bad = !all_hidden(c) || meets_segments(c, segments, arg->nr_segments);
	kvfree(segments);
	if (bad) {
		pr_err("what is carried lies where the next kernel does not look for it\n");
		return -EBADSLT;
	}
	arg->record_len = c->store.len;
	arg->nr_pages = c->store.nr_pages;
	err = capture_fits(c, arg);
	if (err)
		return err;
	c->sealed = true;
	err = store_seal(&c->store, c->nonce, c->writer, &arg->seal_tsc);
	if (err)
		return err;
	arg->record_mem = store_memory(&c->store);
	pr_info("sealed: %llu pages, record of %llu bytes at %#llx\n", arg->nr_pages,
		arg->record_len, (u64)page_to_phys(c->store.header));
	return 0;
}
