/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How fs/aio.c keeps the books of asynchronous I/O; no header has these structs. They are
 * the same from 6.1 to 7.3. Of every context they are compared with what else is
 * known of it before anything in it is believed.
 */
#ifndef NVWA_COMPAT_AIO_H
#define NVWA_COMPAT_AIO_H

#include <linux/aio_abi.h>
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define COMPAT_AIO_RING_PAGES	8
#define COMPAT_AIO_RING_HEADER	32	/* bytes of struct aio_ring before its events */

struct kioctx_cpu {
	unsigned int		reqs_available;
};

struct kioctx {
	struct percpu_ref	users;
	atomic_t		dead;
	struct percpu_ref	reqs;
	unsigned long		user_id;
	struct kioctx_cpu __percpu *cpu;
	unsigned int		req_batch;
	unsigned int		max_reqs;
	unsigned int		nr_events;
	unsigned long		mmap_base;
	unsigned long		mmap_size;
	void			**ring_pages;
	long			nr_pages;
	struct rcu_work		free_rwork;
	void			*rq_wait;
	struct {
		atomic_t	reqs_available;
	} ____cacheline_aligned_in_smp;
	struct {
		spinlock_t	ctx_lock;
		struct list_head active_reqs;
	} ____cacheline_aligned_in_smp;
	struct {
		struct mutex	ring_lock;
		wait_queue_head_t wait;
	} ____cacheline_aligned_in_smp;
	struct {
		unsigned int	tail;
		unsigned int	completed_events;
		spinlock_t	completion_lock;
	} ____cacheline_aligned_in_smp;
	void			*internal_pages[COMPAT_AIO_RING_PAGES];
	struct file		*aio_ring_file;
	unsigned int		id;
};

struct kioctx_table {
	struct rcu_head		rcu;
	unsigned int		nr;
	struct kioctx __rcu	*table[];
};

/*
 * Do all parts of the struct fit together? The fields lie at both its ends and in between. The
 * lock of the process's mappings must be held.
 */
static inline bool compat_aio_known(struct mm_struct *mm, const struct kioctx *ctx)
{
	const struct vm_area_struct *vma = find_vma(mm, ctx->mmap_base);
	unsigned int batch = (ctx->nr_events - 1) / (num_possible_cpus() * 4);

	return vma && vma->vm_start <= ctx->mmap_base && vma->vm_file == ctx->aio_ring_file &&
	       ctx->user_id == ctx->mmap_base && ctx->nr_pages > 0 &&
	       ctx->mmap_size == ctx->nr_pages * PAGE_SIZE &&
	       ctx->nr_events == (ctx->mmap_size - COMPAT_AIO_RING_HEADER) /
				 sizeof(struct io_event) &&
	       ctx->req_batch == max(batch, 1U) && ctx->tail < ctx->nr_events &&
	       ctx->completed_events < ctx->nr_events &&
	       (ctx->ring_pages == ctx->internal_pages) ==
	       (ctx->nr_pages <= COMPAT_AIO_RING_PAGES);
}

/*
 * How many requests are under way: those of the ring's places that are neither free nor
 * have an event. What ends moves from one to the other under this lock.
 */
static inline unsigned int compat_aio_under_way(struct kioctx *ctx)
{
	unsigned int cpu;
	unsigned long flags;
	int nr;

	spin_lock_irqsave(&ctx->completion_lock, flags);
	nr = ctx->nr_events - 1 - ctx->completed_events - atomic_read(&ctx->reqs_available);
	for_each_possible_cpu(cpu)
		nr -= per_cpu_ptr(ctx->cpu, cpu)->reqs_available;
	spin_unlock_irqrestore(&ctx->completion_lock, flags);
	return max(nr, 0);
}

#endif
