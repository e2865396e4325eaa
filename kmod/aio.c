// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous I/O of a process (io_submit(2)): it goes on while all threads are stopped,
 * writes into memory, and leaves an event when it ends.
 */
#include "nvwa.h"

#include <linux/mmap_lock.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>

#ifdef CONFIG_AIO
#include "compat/aio.h"

static int count_contexts(struct mm_struct *mm, u32 *nr)
{
	struct kioctx_table *table;
	struct kioctx *ctx;
	unsigned int i;
	int err = 0;

	rcu_read_lock();
	table = rcu_dereference(mm->ioctx_table);
	for (i = 0; table && i < table->nr && !err; i++) {
		ctx = rcu_dereference(table->table[i]);
		if (!ctx)
			continue;
		if (compat_aio_known(mm, ctx))
			*nr += compat_aio_under_way(ctx);
		else
			err = -EOPNOTSUPP;
	}
	rcu_read_unlock();
	return err;
}

int aio_under_way(struct mm_struct *mm, u32 *nr)
{
	int err;

	*nr = 0;
	if (!rcu_access_pointer(mm->ioctx_table))
		return 0;
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	err = count_contexts(mm, nr);
	mmap_read_unlock(mm);
	/* Right after the event, what has ended a request signals its eventfd. */
	if (!err && !*nr)
		synchronize_rcu_expedited();
	return err;
}
#else
int aio_under_way(struct mm_struct *mm, u32 *nr)
{
	*nr = 0;
	return 0;
}
#endif

int aio_count(struct nvwa_aio *arg)
{
	struct mm_struct *mm;
	int err;

	if (arg->flags)
		return -EINVAL;
	mm = nvwa_mm_of(arg->pid);
	if (!mm)
		return -ESRCH;
	err = aio_under_way(mm, &arg->nr);
	mmput(mm);
	return err;
}
