// SPDX-License-Identifier: GPL-2.0-only
/*
 * Putting held pages into the address space of a stopped process. To the
 * kernel it looks like a driver that migrates pages into holes (or over pages
 * that are there already, whose contents are dropped): charged, on the LRU
 * list, mapped, all as if they had been faulted in. What it will not migrate
 * is copied. The kernel does this under the mmap lock for reading, so several
 * threads put in batches of one process at the same time.
 */
#include "nvwa.h"

#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "compat/huge.h"

/* What one page table maps, and one huge page. */
#define BATCH	NVWA_HUGE_PAGES

struct job {
	struct nvwa_insert *arg;
	struct record_process *process;
	struct mm_struct *mm;
	bool huge;			/* this kernel takes huge pages */
	struct mutex lock;		/* of what follows, and of the set of adopted pages */
	u64 run;			/* where we are: run and page in it */
	u32 page;
	int err;			/* the first one of any thread */
};

/* One thread, and the batch that it puts in. */
struct hand {
	struct work_struct work;	/* first, for crew_run() */
	struct job *job;
	u64 nr_inserted;
	u64 nr_copied;
	u64 addr;
	unsigned int nr;
	bool huge;			/* was one huge page, and may be again */
	unsigned long pfns[BATCH];
	unsigned long src[BATCH];
	unsigned long dst[BATCH];
};

/* Private memory that we can fill, by migration or at least by copying. */
static bool vma_usable(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_SHARED | VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB));
}

static bool vma_takes_pages(const struct vm_area_struct *vma)
{
	return vma_is_anonymous((struct vm_area_struct *)vma) && !(vma->vm_flags & VM_SPECIAL);
}

/* The usable mapping at an address, or NULL; it may be the one that is known. */
static struct vm_area_struct *vma_at(struct job *j, u64 addr, struct vm_area_struct *known)
{
	struct vm_area_struct *vma = known;

	if (!vma || addr < vma->vm_start || addr >= vma->vm_end)
		vma = find_vma(j->mm, addr);
	if (vma && vma->vm_start <= addr && vma_usable(vma))
		return vma;
	pr_err("process %d: no private memory at %#llx\n", j->arg->pid, addr);
	j->arg->bad_addr = addr;
	return NULL;
}

/* Find out what can be found out before anything is changed. */
static int job_check(struct job *j)
{
	struct record_process *p = j->process;
	struct vm_area_struct *vma = NULL;
	const struct nvwa_run *r;
	u64 i, addr, end, held;
	int err = 0;

	if (mmap_read_lock_killable(j->mm))
		return -EINTR;
	for (i = 0; i < p->nr_runs && !err; i++) {
		r = &p->runs[i];
		end = r->addr + r->nr * PAGE_SIZE;
		for (addr = r->addr; addr < end && !err; addr = vma->vm_end) {
			vma = vma_at(j, addr, vma);
			err = vma ? 0 : -EFAULT;
			if (err)
				break;
		}
		held = min(pfnset_row(&nvwa_adopted->pages, r->pfn, r->nr),
			   memory_held(r->pfn, r->nr));
		if (held < r->nr && !err) {
			pr_err("process %d: page %#llx was not adopted\n", p->pid, r->pfn + held);
			err = -ENODATA;
		}
	}
	mmap_read_unlock(j->mm);
	return err;
}

/* The next pages in a row by address that one page table maps; false at the end. */
static bool next_batch(struct job *j, struct hand *h)
{
	const struct nvwa_run *r = &j->process->runs[j->run];
	unsigned int max;

	if (j->run == j->process->nr_runs || j->err)
		return false;
	h->addr = r->addr + j->page * PAGE_SIZE;
	h->huge = j->huge && (r->flags & NVWA_RUN_HUGE);
	max = BATCH - (h->addr >> PAGE_SHIFT) % BATCH;
	for (h->nr = 0; h->nr < max && j->run < j->process->nr_runs; ) {
		r = &j->process->runs[j->run];
		if (r->addr + j->page * PAGE_SIZE != h->addr + h->nr * PAGE_SIZE)
			break;
		for (; h->nr < max && j->page < r->nr; j->page++)
			h->pfns[h->nr++] = r->pfn + j->page;
		if (j->page == r->nr) {
			j->run++;
			j->page = 0;
		}
	}
	return true;
}

/* Put the contents of a frame into the process's own page; the mmap lock is held. */
static int copy_one(struct hand *h, u64 addr, struct page *from)
{
	struct job *j = h->job;
	struct page *page;
	long got = get_user_pages_remote(j->mm, addr, 1, FOLL_WRITE | FOLL_FORCE, &page, NULL);

	if (got != 1) {
		j->arg->bad_addr = addr;
		pr_err("process %d: cannot fill the page at %#llx: %ld\n", j->arg->pid, addr, got);
		return got < 0 ? got : -EFAULT;
	}
	copy_highpage(page, from);
	set_page_dirty_lock(page);
	put_page(page);
	h->nr_copied++;
	return 0;
}

/* The pages are no longer adopted but ours, with one reference each. */
static void claim(struct job *j, const unsigned long *pfns, unsigned int nr)
{
	memory_claim_pages(pfns, nr);
	mutex_lock(&j->lock);
	adopted_forget(pfns, nr);
	mutex_unlock(&j->lock);
}

/* Copy claimed pages (which are wiped and freed) into the process's own. */
static int copy_row(struct hand *h, u64 addr, const unsigned long *pfns, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr; i++) {
		struct page *page = pfn_to_page(pfns[i]);

		if (!err)
			err = copy_one(h, addr + i * PAGE_SIZE, page);
		clear_highpage(page);
		/* Not just freed: the kernel may have charged it before it refused. */
		put_page(page);
	}
	return err;
}

/* Migrate claimed pages; what the kernel would not take has no flag in src[] afterwards. */
static void migrate_small(struct hand *h, struct migrate_vma *m, const unsigned long *pfns,
			  unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!(h->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		__folio_set_locked(page_folio(pfn_to_page(pfns[i])));
		h->dst[i] = migrate_pfn(pfns[i]);
	}
	migrate_vma_pages(m);
	/* One reference goes with each dst[]; a refused page must not go with it. */
	for (i = 0; i < nr; i++) {
		if (h->dst[i] && !(h->src[i] & MIGRATE_PFN_MIGRATE))
			get_page(pfn_to_page(pfns[i]));
		else if (!h->dst[i])
			h->src[i] &= ~MIGRATE_PFN_MIGRATE;
	}
	migrate_vma_finalize(m);
}

static int put_small(struct hand *h, struct migrate_vma *m, const unsigned long *pfns,
		     unsigned int nr)
{
	unsigned int i, n;
	int failed, err = 0;

	migrate_small(h, m, pfns, nr);
	for (i = 0; i < nr; i += n) {
		bool in = h->src[i] & MIGRATE_PFN_MIGRATE;

		for (n = 1; i + n < nr && in == !!(h->src[i + n] & MIGRATE_PFN_MIGRATE); n++)
			;
		if (in) {
			h->nr_inserted += n;
			continue;
		}
		failed = copy_row(h, m->start + i * PAGE_SIZE, pfns + i, n);
		err = err ? err : failed;
	}
	return err;
}

/* Put in claimed pages as one huge page; if the kernel refuses, as copies. */
static int put_huge(struct hand *h, struct migrate_vma *m)
{
	struct page *head = pfn_to_page(h->pfns[0]);
	unsigned int i;
	int err = 0;

	compat_make_huge(head);
	compat_huge_mappable(head);
	__folio_set_locked(page_folio(head));
	h->dst[0] = migrate_pfn(h->pfns[0]) | COMPAT_PFN_HUGE;
	migrate_vma_pages(m);
	if (h->src[0] & MIGRATE_PFN_MIGRATE) {
		migrate_vma_finalize(m);
		h->nr_inserted += h->nr;
		return 0;
	}
	get_page(head);
	migrate_vma_finalize(m);
	for (i = 0; i < h->nr; i++) {
		if (!err)
			err = copy_one(h, h->addr + i * PAGE_SIZE, head + i);
		clear_highpage(head + i);
	}
	put_page(head);
	return err;
}

/* Put in the part of the batch that lies in one mapping. */
static int put_part(struct hand *h, struct vm_area_struct *vma, unsigned int first,
		    unsigned int nr)
{
	struct migrate_vma m = {
		.vma = vma,
		.src = h->src,
		.dst = h->dst,
		.start = h->addr + first * PAGE_SIZE,
		.end = h->addr + (first + nr) * PAGE_SIZE,
		.flags = MIGRATE_VMA_SELECT_SYSTEM,
	};
	const unsigned long *pfns = &h->pfns[first];
	int err = -EINVAL;

	if (h->huge && nr == BATCH)
		m.flags |= COMPAT_SELECT_HUGE;
	if (vma_takes_pages(vma)) {
		err = migrate_vma_setup(&m);
		if (err)
			pr_err("process %d: migrate_vma_setup at %#lx: %d\n", h->job->arg->pid,
			       m.start, err);
	}
	claim(h->job, pfns, nr);
	if (err)
		return copy_row(h, m.start, pfns, nr);
	/* The kernel says so where the place takes a huge page: nothing small is in it. */
	if (h->src[0] & COMPAT_PFN_HUGE && h->src[0] & MIGRATE_PFN_MIGRATE)
		return put_huge(h, &m);
	return put_small(h, &m, pfns, nr);
}

static int put_batch(struct hand *h)
{
	struct vm_area_struct *vma = NULL;
	unsigned int i, n;
	int err = 0;

	mmap_read_lock(h->job->mm);
	for (i = 0; i < h->nr && !err; i += n) {
		vma = vma_at(h->job, h->addr + i * PAGE_SIZE, vma);
		if (!vma) {
			err = -EFAULT;
			break;
		}
		n = min_t(u64, h->nr - i, (vma->vm_end - h->addr) / PAGE_SIZE - i);
		err = put_part(h, vma, i, n);
	}
	mmap_read_unlock(h->job->mm);
	return err;
}

static void hand_work(struct work_struct *work)
{
	struct hand *h = container_of(work, struct hand, work);
	struct job *j = h->job;
	int err = 0;

	mutex_lock(&j->lock);
	while (next_batch(j, h)) {
		mutex_unlock(&j->lock);
		err = put_batch(h);
		cond_resched();
		mutex_lock(&j->lock);
		if (err && !j->err)
			j->err = err;
	}
	mutex_unlock(&j->lock);
}

static int job_run(struct job *j)
{
	unsigned int i, nr = crew_size(j->process->nr_pages);
	struct hand *hands = kvcalloc(nr, sizeof(*hands), GFP_KERNEL);

	if (!hands)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		hands[i].job = j;
	/* From here on a second try is impossible: some pages are gone. */
	j->process->inserted = true;
	crew_run(hand_work, hands, sizeof(*hands), nr);
	for (i = 0; i < nr; i++) {
		j->arg->nr_inserted += hands[i].nr_inserted;
		j->arg->nr_copied += hands[i].nr_copied;
	}
	kvfree(hands);
	if (!j->err && j->arg->nr_inserted + j->arg->nr_copied != j->process->nr_pages) {
		pr_err("process %d: %llu of %llu pages put in\n", j->arg->pid,
		       j->arg->nr_inserted + j->arg->nr_copied, j->process->nr_pages);
		j->err = -EFAULT;
	}
	return j->err;
}

static struct record_process *process_of(s32 pid)
{
	u32 i;

	for (i = 0; i < nvwa_adopted->parts.nr_processes; i++) {
		if (nvwa_adopted->parts.processes[i].pid == pid)
			return &nvwa_adopted->parts.processes[i];
	}
	return NULL;
}

static bool has_huge(const struct record_process *p)
{
	u64 i;

	for (i = 0; i < p->nr_runs; i++) {
		if (p->runs[i].flags & NVWA_RUN_HUGE)
			return true;
	}
	return false;
}

int insert_process(struct nvwa_insert *arg)
{
	struct job j = { .arg = arg };
	int err;

	BUILD_BUG_ON(BATCH != PTRS_PER_PTE);
	if (arg->flags)
		return -EINVAL;
	arg->nr_inserted = arg->nr_copied = arg->bad_addr = 0;
	mutex_init(&j.lock);
	j.process = process_of(arg->record_pid);
	if (!j.process || j.process->inserted)
		return j.process ? -EALREADY : -ENOENT;
	j.mm = nvwa_mm_of(arg->pid);
	if (!j.mm)
		return -ESRCH;
	err = job_check(&j);
	if (!err) {
		j.huge = has_huge(j.process) && compat_huge_works();
		err = job_run(&j);
	}
	mmput(j.mm);
	return err;
}
