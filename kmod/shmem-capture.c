// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old kernel's side of shared memory: the pages in the page cache of a
 * tmpfs file, found by walking it, so that holes cost nothing and stay holes.
 */
#include "capture.h"

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/xarray.h>

struct job {
	struct capture_job common;
	struct address_space *mapping;
	pgoff_t next;			/* where the search goes on */
	pgoff_t end;			/* of what is taken */
	pgoff_t at[CAPTURE_BATCH];	/* the index of each of common.pages[] */
};

/* Take a reference on each page of a folio from index on; returns how many fit. */
static long folio_take(struct job *j, struct folio *folio, pgoff_t index, long have)
{
	long first = index - folio->index;
	long i, nr = min_t(long, folio_nr_pages(folio) - first, CAPTURE_BATCH - have);

	nr = min_t(u64, nr, j->end - index);
	folio_ref_add(folio, nr - 1);
	for (i = 0; i < nr; i++) {
		j->common.pages[have + i] = folio_page(folio, first + i);
		j->at[have + i] = index + i;
	}
	return nr;
}

/*
 * Find pages in memory from j->next on, up to a batch of them, or up to one
 * that is not ready: swapped out, or allocated and never written to, in which
 * case *absent is its index.
 */
static long find_present(struct job *j, pgoff_t *absent)
{
	XA_STATE(xas, &j->mapping->i_pages, j->next);
	struct folio *folio;
	long got, nr = 0;
	pgoff_t index;

	*absent = ULONG_MAX;
	rcu_read_lock();
	xas_for_each(&xas, folio, j->end - 1) {
		if (xas_retry(&xas, folio))
			continue;
		index = max(xas.xa_index, j->next);
		if (xa_is_value(folio)) {
			*absent = index;
			break;
		}
		if (!folio_try_get(folio)) {
			xas_reset(&xas);
			continue;
		}
		/* It may have been replaced, or be another file's by now. */
		if (unlikely(folio != xas_reload(&xas))) {
			folio_put(folio);
			xas_reset(&xas);
			continue;
		}
		if (!folio_test_uptodate(folio)) {
			folio_put(folio);
			*absent = index;
			break;
		}
		got = folio_take(j, folio, index, nr);
		nr += got;
		j->next = index + got;
		if (nr == CAPTURE_BATCH)
			break;
	}
	rcu_read_unlock();
	return nr;
}

/* Find the next batch of pages; 0 at the end, or an error. */
static long find_pages(struct job *j)
{
	struct page *page;
	pgoff_t absent;
	long nr;

	if (j->next >= j->end)
		return 0;
	nr = find_present(j, &absent);
	if (nr || absent == ULONG_MAX)
		return nr;
	page = shmem_read_mapping_page_gfp(j->mapping, absent, mapping_gfp_mask(j->mapping));
	if (IS_ERR(page)) {
		pr_err("shared memory %llu: cannot read the page at %#llx: %ld\n", j->common.id,
		       (u64)absent << PAGE_SHIFT, PTR_ERR(page));
		return PTR_ERR(page);
	}
	j->common.pages[0] = page;
	j->at[0] = absent;
	j->next = absent + 1;
	return 1;
}

/* Take a batch, in pieces without holes. */
static int take_pages(struct job *j, long nr)
{
	struct page **pages = j->common.pages;
	long i, n;
	int err = 0;

	for (i = 0; i < nr && !err; i += n) {
		for (n = 1; i + n < nr && j->at[i + n] == j->at[i] + n; n++)
			;
		err = capture_job_take(&j->common, (u64)j->at[i] << PAGE_SHIFT, &pages[i], n);
	}
	for (; i < nr; i++)
		put_page(pages[i]);
	return err;
}

static int take_all(struct job *j)
{
	long nr;
	int err;

	while ((nr = find_pages(j)) > 0) {
		err = take_pages(j, nr);
		if (err)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return nr;
}

/* The file must not have been captured under any other id either. */
static int note_file(struct capture *c, u64 id, struct file *file)
{
	struct file *other;
	unsigned long i;
	int err;

	xa_for_each(&c->shmem, i, other) {
		if (file_inode(other) == file_inode(file))
			return -EEXIST;
	}
	err = xa_insert(&c->shmem, id, file, GFP_KERNEL);
	return err == -EBUSY ? -EEXIST : err;
}

static int job_run(struct job *j, struct nvwa_capture_shmem *arg, struct file *file)
{
	struct capture_job *common = &j->common;
	struct capture *c = common->c;
	int err;

	arg->len = min_t(u64, i_size_read(file_inode(file)), arg->max_len);
	j->mapping = file->f_mapping;
	j->end = DIV_ROUND_UP_ULL(arg->len, PAGE_SIZE);
	err = note_file(c, arg->id, file);
	if (err)
		return err;
	err = take_all(j);
	if (!err)
		err = store_put_shmem(&c->store, arg->id, arg->len, common->runs, common->nr_runs,
				      common->nr_pages);
	arg->busy_at = common->busy_addr;
	if (err) {
		capture_job_undo(common);
		xa_erase(&c->shmem, arg->id);
		return err;
	}
	arg->nr_pinned = common->nr_pinned;
	arg->nr_evacuated = common->nr_evacuated;
	arg->nr_runs = common->nr_runs;
	return 0;
}

int capture_shmem(struct capture *c, struct nvwa_capture_shmem *arg)
{
	struct file *file;
	struct job *j;
	int err;

	if (c->sealed || arg->flags || arg->reserved || !arg->id)
		return -EINVAL;
	arg->len = arg->nr_pinned = arg->nr_evacuated = arg->nr_runs = arg->busy_at = 0;
	file = fget(arg->fd);
	if (!file)
		return -EBADF;
	j = kvzalloc(sizeof(*j), GFP_KERNEL);
	err = j ? 0 : -ENOMEM;
	if (err)
		goto put_file;
	err = S_ISREG(file_inode(file)->i_mode) && shmem_mapping(file->f_mapping) ? 0 : -EOPNOTSUPP;
	if (err)
		goto free_job;
	err = capture_job_init(&j->common, c, "shared memory", arg->id);
	if (!err)
		err = job_run(j, arg, file);
	capture_job_free(&j->common);
	outside_trim(&c->outside);
free_job:
	kvfree(j);
put_file:
	/* The capture keeps it, so that the file remains what it is until the end. */
	if (err)
		fput(file);
	return err;
}
