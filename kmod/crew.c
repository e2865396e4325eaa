// SPDX-License-Identifier: GPL-2.0-only
/* Several kernel threads at one job, as the programs wait for it and the other CPUs idle. */
#include "nvwa.h"

#include <linux/cpumask.h>
#include <linux/minmax.h>

/* A thread has more to do than to start: about a millisecond. */
#define PAGES_WORTH_A_THREAD	4096
#define MAX_CREW		16U

static struct workqueue_struct *crew;

int __init crew_init(void)
{
	crew = alloc_workqueue("nvwa", WQ_UNBOUND | WQ_HIGHPRI, MAX_CREW);
	return crew ? 0 : -ENOMEM;
}

void crew_exit(void)
{
	destroy_workqueue(crew);
}

unsigned int crew_size(u64 nr_pages)
{
	return min_t(u64, min(num_online_cpus(), MAX_CREW), nr_pages / PAGES_WORTH_A_THREAD + 1);
}

void crew_run(work_func_t f, void *items, size_t size, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct work_struct *work = items + i * size;

		INIT_WORK(work, f);
		queue_work(crew, work);
	}
	for (i = 0; i < nr; i++)
		flush_work(items + i * size);
}
