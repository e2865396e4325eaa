// SPDX-License-Identifier: GPL-2.0-only
/*
 * Putting held pages into the page cache of a tmpfs file, without a page being
 * allocated for each. The kernel lets a module exchange a page of the page
 * cache for another one, which is then charged to the same cgroup; so one
 * page, the token, stands in for all of them:
 *
 *   1. space, committed memory and quota are taken for all pages
 *   2. per batch, the token is stored in all places that are empty
 *   3. in each of these it is exchanged for the page that belongs there
 *
 * The token is locked throughout, so whoever comes upon it waits, then looks
 * again. Where there is a page already, contents are copied into it.
 */
#include "nvwa.h"

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include "compat/shmem.h"

#define BATCH	512U

struct job {
	struct nvwa_insert_shmem *arg;
	struct record_shmem *shmem;
	struct file *file;
	struct inode *inode;
	struct address_space *mapping;
	struct folio *token;
	u64 run;			/* where we are: run and page in it */
	u32 page;
	unsigned long pfns[BATCH];
};

/* The next pages in a row by index, at most BATCH; their frames go into pfns[]. */
static long next_row(struct job *j, pgoff_t *index)
{
	const struct nvwa_run *r = &j->shmem->runs[j->run];
	long nr = 0;

	*index = (r->addr >> PAGE_SHIFT) + j->page;
	while (nr < BATCH && j->run < j->shmem->nr_runs) {
		r = &j->shmem->runs[j->run];
		if ((r->addr >> PAGE_SHIFT) + j->page != *index + nr)
			break;
		j->pfns[nr++] = r->pfn + j->page;
		if (++j->page == r->nr) {
			j->run++;
			j->page = 0;
		}
	}
	return nr;
}

/*
 * Store the token in places that are empty, from index on; how many in a row
 * were, is in *stored, also with -ENOMEM.
 */
static int token_store(struct job *j, pgoff_t index, long nr, long *stored)
{
	XA_STATE(xas, &j->mapping->i_pages, index);
	bool walk = true;
	long n = 0, first;

	folio_ref_add(j->token, nr);
	do {
		first = n;
		xas_lock_irq(&xas);
		for (; n < nr; n++) {
			/* The next one is mostly beside this one in the tree. */
			if (walk || !((index + n) & XA_CHUNK_MASK))
				xas_set(&xas, index + n);
			if (walk || !((index + n) & XA_CHUNK_MASK) ? xas_load(&xas) :
								     xas_next(&xas))
				break;
			xas_store(&xas, j->token);
			if (xas_error(&xas))
				break;
			walk = false;
		}
		j->mapping->nrpages += n - first;
		lruvec_stat_mod_folio(j->token, NR_FILE_PAGES, n - first);
		lruvec_stat_mod_folio(j->token, NR_SHMEM, n - first);
		xas_unlock_irq(&xas);
		walk = true;
	} while (xas_nomem(&xas, GFP_KERNEL));
	folio_ref_sub(j->token, nr - n);
	*stored = n;
	return xas_error(&xas);
}

/*
 * Exchange the token for a page of ours, which is claimed. The kernel would
 * count a page as shared memory if it were swap-backed already; that is done
 * for nr of them at once, of which this is the last one.
 */
static void token_exchange(struct job *j, pgoff_t index, unsigned long pfn, long nr)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));

	__folio_set_locked(folio);
	__folio_mark_uptodate(folio);
	j->token->mapping = j->mapping;
	j->token->index = index;
	replace_page_cache_folio(j->token, folio);
	__folio_set_swapbacked(folio);
	if (nr)
		lruvec_stat_mod_folio(folio, NR_SHMEM, nr);
	folio_mark_dirty(folio);
	folio_add_lru(folio);
	folio_unlock(folio);
	folio_put(folio);
}

/* Put the contents of a frame into the page that the file has, and give the frame back. */
static int copy_one(struct job *j, pgoff_t index, unsigned long pfn)
{
	struct page *page = shmem_read_mapping_page_gfp(j->mapping, index,
							mapping_gfp_mask(j->mapping));

	if (IS_ERR(page)) {
		pr_err("shared memory %llu: cannot fill the page at %#llx: %ld\n", j->shmem->id,
		       (u64)index << PAGE_SHIFT, PTR_ERR(page));
		return PTR_ERR(page);
	}
	copy_highpage(page, pfn_to_page(pfn));
	set_page_dirty_lock(page);
	put_page(page);
	pfnset_del(&nvwa_adopted->pages, pfn, 1);
	memory_give(pfn, 1);
	j->arg->nr_copied++;
	return 0;
}

/* Exchange the token in places in a row; counters are those of a node. */
static void exchange_row(struct job *j, pgoff_t index, const unsigned long *pfns, long nr)
{
	long i, uncounted = 0;
	bool last;

	for (i = 0; i < nr; i++) {
		uncounted++;
		last = i + 1 == nr || pfn_to_nid(pfns[i + 1]) != pfn_to_nid(pfns[i]);
		token_exchange(j, index + i, pfns[i], last ? uncounted : 0);
		if (last)
			uncounted = 0;
	}
}

static int insert_row(struct job *j, pgoff_t index, const unsigned long *pfns, long nr)
{
	long stored;
	int err = 0;

	while (nr && !err) {
		err = token_store(j, index, nr, &stored);
		memory_claim_pages(pfns, stored);
		adopted_forget(pfns, stored);
		exchange_row(j, index, pfns, stored);
		compat_shmem_note(j->inode, stored);
		j->arg->nr_inserted += stored;
		index += stored;
		pfns += stored;
		nr -= stored;
		if (err || !nr)
			break;
		err = copy_one(j, index, *pfns);
		index++;
		pfns++;
		nr--;
	}
	return err;
}

/* A small page that is charged to our cgroup, locked, and of no file any more. */
static struct folio *token_make(struct file *file)
{
	struct address_space *mapping = file->f_mapping;
	struct folio *folio;
	struct page *page;

	page = shmem_read_mapping_page_gfp(mapping, 0, mapping_gfp_mask(mapping));
	if (!IS_ERR(page) && PageCompound(page)) {
		/* Where shared memory is to be huge; cutting off the rest splits it. */
		put_page(page);
		shmem_truncate_range(file_inode(file), PAGE_SIZE, (loff_t)-1);
		page = shmem_read_mapping_page_gfp(mapping, 0, mapping_gfp_mask(mapping));
	}
	if (IS_ERR(page))
		return ERR_CAST(page);
	if (PageCompound(page)) {
		put_page(page);
		return ERR_PTR(-ENOMEM);
	}
	folio = page_folio(page);
	shmem_truncate_range(file_inode(file), 0, (loff_t)-1);
	folio_lock(folio);
	return folio;
}

/*
 * Account for all pages, and make the token. Committed memory comes from a
 * file of our own that reserves that much and, when it ends, no longer knows
 * that it did.
 */
static int job_begin(struct job *j)
{
	bool noreserve = compat_shmem_noreserve(j->inode);
	u64 nr = j->shmem->nr_pages;
	struct file *file;
	int err;

	file = shmem_file_setup("nvwa", noreserve ? nr * PAGE_SIZE : PAGE_SIZE, COMPAT_NO_FLAGS);
	if (IS_ERR(file))
		return PTR_ERR(file);
	j->token = token_make(file);
	err = PTR_ERR_OR_ZERO(j->token);
	if (err)
		goto put_file;
	err = compat_shmem_take_space(j->inode, nr);
	if (err) {
		folio_unlock(j->token);
		folio_put(j->token);
		goto put_file;
	}
	if (noreserve)
		i_size_write(file_inode(file), 0);
put_file:
	fput(file);
	return err;
}

static void job_end(struct job *j)
{
	struct kstat stat;

	folio_unlock(j->token);
	folio_put(j->token);
	/* What was copied or failed needed no space; the kernel corrects that when asked. */
	compat_shmem_note(j->inode, j->shmem->nr_pages - j->arg->nr_inserted);
	vfs_getattr_nosec(&j->file->f_path, &stat, STATX_BASIC_STATS, AT_STATX_SYNC_AS_STAT);
	if (!compat_shmem_agrees(j->inode))
		pr_warn("shared memory %llu: the kernel accounts for it in another way\n",
			j->shmem->id);
}

static int job_run(struct job *j)
{
	pgoff_t index;
	long nr;
	int err;

	inode_lock(j->inode);
	err = i_size_read(j->inode) < j->shmem->len ? -EFBIG : 0;
	/* What has no pages needs no token, either. */
	if (!err && j->shmem->nr_pages)
		err = job_begin(j);
	if (err || !j->shmem->nr_pages)
		goto unlock;
	/* From here on a second try is impossible: some pages are gone. */
	j->shmem->inserted = true;
	while (j->run < j->shmem->nr_runs && !err) {
		nr = next_row(j, &index);
		err = insert_row(j, index, j->pfns, nr);
		cond_resched();
	}
	job_end(j);
unlock:
	inode_unlock(j->inode);
	return err;
}

/* Do as the process of which this is the memory: charge its cgroup. */
static int run_charged(struct job *j)
{
	struct mm_struct *mm = j->arg->pid ? nvwa_mm_of(j->arg->pid) : NULL;
	struct mem_cgroup *memcg, *old;
	int err;

	if (j->arg->pid && !mm)
		return -ESRCH;
	memcg = get_mem_cgroup_from_mm(mm ? mm : current->mm);
	old = set_active_memcg(memcg);
	err = job_run(j);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	if (mm)
		mmput(mm);
	return err;
}

static int check_adopted(const struct record_shmem *s)
{
	const struct nvwa_run *r;
	u64 i, held;

	for (i = 0; i < s->nr_runs; i++) {
		r = &s->runs[i];
		held = min(pfnset_row(&nvwa_adopted->pages, r->pfn, r->nr),
			   memory_held(r->pfn, r->nr));
		if (held < r->nr) {
			pr_err("shared memory %llu: page %#llx was not adopted\n", s->id,
			       r->pfn + held);
			return -ENODATA;
		}
	}
	return 0;
}

static struct record_shmem *shmem_of(u64 id)
{
	u32 i;

	for (i = 0; i < nvwa_adopted->parts.nr_shmem; i++) {
		if (nvwa_adopted->parts.shmem[i].id == id)
			return &nvwa_adopted->parts.shmem[i];
	}
	return NULL;
}

int insert_shmem(struct nvwa_insert_shmem *arg)
{
	struct file *file;
	struct job *j;
	int err;

	if (arg->flags)
		return -EINVAL;
	arg->nr_inserted = arg->nr_copied = 0;
	file = fget(arg->fd);
	if (!file)
		return -EBADF;
	j = kvzalloc(sizeof(*j), GFP_KERNEL);
	err = j ? 0 : -ENOMEM;
	if (err)
		goto put_file;
	j->arg = arg;
	j->file = file;
	j->inode = file_inode(file);
	j->mapping = file->f_mapping;
	err = S_ISREG(j->inode->i_mode) && shmem_mapping(j->mapping) ? 0 : -EOPNOTSUPP;
	if (err)
		goto free_job;
	j->shmem = shmem_of(arg->id);
	err = !j->shmem ? -ENOENT : j->shmem->inserted ? -EALREADY : check_adopted(j->shmem);
	if (!err)
		err = run_charged(j);
free_job:
	kvfree(j);
put_file:
	fput(file);
	return err;
}
