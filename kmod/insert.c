// SPDX-License-Identifier: GPL-2.0-only
/*
 * Putting held pages into the address space of a stopped process. To the
 * kernel it looks like a driver that migrates pages into holes (or over pages
 * that are there already, whose contents are dropped): charged, on the LRU
 * list, mapped, all as if they had been faulted in. What it will not migrate
 * is copied.
 */
#include "nvwa.h"

#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#define BATCH	512U

struct job {
	struct nvwa_insert *arg;
	struct record_process *process;
	struct mm_struct *mm;
	u64 run;			/* where we are: run and page in it */
	u32 page;
	unsigned long pfns[BATCH];
	unsigned long src[BATCH];
	unsigned long dst[BATCH];
};

/* Private memory that we can fill, by migration or at least by copying. */
static bool vma_usable(const struct vm_area_struct *vma)
{
	return vma && !(vma->vm_flags & (VM_SHARED | VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB));
}

static bool vma_takes_pages(const struct vm_area_struct *vma)
{
	return vma_is_anonymous((struct vm_area_struct *)vma) && !(vma->vm_flags & VM_SPECIAL);
}

static int check_vmas(struct job *j, u64 start, u64 end)
{
	struct vm_area_struct *vma;

	while (start < end) {
		vma = find_vma(j->mm, start);
		if (!vma || vma->vm_start > start || !vma_usable(vma)) {
			j->arg->bad_addr = start;
			pr_err("process %d: no private memory at %#llx\n", j->arg->pid, start);
			return -EFAULT;
		}
		start = vma->vm_end;
	}
	return 0;
}

/* Find out what can be found out before anything is changed. */
static int job_check(struct job *j)
{
	struct record_process *p = j->process;
	const struct nvwa_run *r;
	int err = 0;
	u64 i, held;

	if (mmap_read_lock_killable(j->mm))
		return -EINTR;
	for (i = 0; i < p->nr_runs && !err; i++) {
		r = &p->runs[i];
		err = check_vmas(j, r->addr, r->addr + r->nr * PAGE_SIZE);
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

/* The next pages in a row by address, at most max; their frames go into pfns[]. */
static unsigned int next_row(struct job *j, u64 *addr, unsigned int max)
{
	const struct nvwa_run *r = &j->process->runs[j->run];
	unsigned int nr = 0;

	*addr = r->addr + j->page * PAGE_SIZE;
	while (nr < max && j->run < j->process->nr_runs) {
		r = &j->process->runs[j->run];
		if (r->addr + j->page * PAGE_SIZE != *addr + nr * PAGE_SIZE)
			break;
		j->pfns[nr++] = r->pfn + j->page;
		if (++j->page == r->nr) {
			j->run++;
			j->page = 0;
		}
	}
	return nr;
}

/* Put the contents of a frame into the process's own page; the mmap lock is held. */
static int copy_one(struct job *j, u64 addr, struct page *from)
{
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
	j->arg->nr_copied++;
	return 0;
}

/* Copy a row into memory that cannot take our pages, and give those back. */
static int copy_row(struct job *j, u64 addr, unsigned int nr)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		err = copy_one(j, addr + i * PAGE_SIZE, pfn_to_page(j->pfns[i]));
		if (err)
			return err;
		pfnset_del(&nvwa_adopted->pages, j->pfns[i], 1);
		memory_give(j->pfns[i], 1);
	}
	return 0;
}

static void claim(struct job *j, unsigned int nr)
{
	unsigned int i, n;

	for (i = 0; i < nr; i += n) {
		for (n = 1; i + n < nr && j->pfns[i + n] == j->pfns[i] + n; n++)
			;
		pfnset_del(&nvwa_adopted->pages, j->pfns[i], n);
		memory_claim(j->pfns[i], n);
	}
}

static int migrate_row(struct job *j, struct vm_area_struct *vma, u64 addr, unsigned int nr)
{
	struct migrate_vma m = {
		.vma = vma,
		.src = j->src,
		.dst = j->dst,
		.start = addr,
		.end = addr + nr * PAGE_SIZE,
		.flags = MIGRATE_VMA_SELECT_SYSTEM,
	};
	unsigned int i;
	int err;

	err = migrate_vma_setup(&m);
	if (err) {
		pr_err("process %d: migrate_vma_setup at %#llx: %d\n", j->arg->pid, addr, err);
		return copy_row(j, addr, nr);
	}
	/* One reference for the kernel to take over, and one to look at the page afterwards. */
	claim(j, nr);
	for (i = 0; i < nr; i++) {
		struct page *page = pfn_to_page(j->pfns[i]);

		if (!(j->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		get_page(page);
		lock_page(page);
		j->dst[i] = migrate_pfn(j->pfns[i]);
	}
	migrate_vma_pages(&m);
	/* migrate_vma_finalize() keeps src and dst; those that migrated have the flag still. */
	migrate_vma_finalize(&m);

	for (i = 0; i < nr; i++) {
		struct page *page = pfn_to_page(j->pfns[i]);

		if (j->dst[i] && (j->src[i] & MIGRATE_PFN_MIGRATE)) {
			j->arg->nr_inserted++;
		} else {
			if (!err)
				err = copy_one(j, addr + i * PAGE_SIZE, page);
			clear_highpage(page);
		}
		put_page(page);
	}
	return err;
}

/* Put in one batch of pages. */
static int job_step(struct job *j)
{
	const struct nvwa_run *r = &j->process->runs[j->run];
	u64 addr = r->addr + j->page * PAGE_SIZE;
	struct vm_area_struct *vma;
	unsigned int nr;
	int err;

	if (mmap_read_lock_killable(j->mm))
		return -EINTR;
	err = check_vmas(j, addr, addr + PAGE_SIZE);
	if (err)
		goto unlock;
	vma = find_vma(j->mm, addr);
	nr = next_row(j, &addr, min_t(u64, BATCH, (vma->vm_end - addr) / PAGE_SIZE));
	err = vma_takes_pages(vma) ? migrate_row(j, vma, addr, nr) : copy_row(j, addr, nr);
unlock:
	mmap_read_unlock(j->mm);
	return err;
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

int insert_process(struct nvwa_insert *arg)
{
	struct job *j;
	int err;

	if (arg->flags)
		return -EINVAL;
	arg->nr_inserted = arg->nr_copied = arg->bad_addr = 0;
	j = kvzalloc(sizeof(*j), GFP_KERNEL);
	if (!j)
		return -ENOMEM;
	j->arg = arg;
	j->process = process_of(arg->record_pid);
	err = !j->process ? -ENOENT : j->process->inserted ? -EALREADY : 0;
	if (err)
		goto free_job;
	j->mm = nvwa_mm_of(arg->pid);
	err = j->mm ? 0 : -ESRCH;
	if (err)
		goto free_job;
	err = job_check(j);
	if (err)
		goto put_mm;

	/* From here on a second try is impossible: some pages are gone. */
	j->process->inserted = true;
	while (j->run < j->process->nr_runs && !err) {
		err = job_step(j);
		cond_resched();
	}
	if (!err && arg->nr_inserted + arg->nr_copied != j->process->nr_pages) {
		pr_err("process %d: %llu of %llu pages put in\n", arg->pid,
		       arg->nr_inserted + arg->nr_copied, j->process->nr_pages);
		err = -EFAULT;
	}
put_mm:
	mmput(j->mm);
free_job:
	kvfree(j);
	return err;
}
