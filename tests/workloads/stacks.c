// SPDX-License-Identifier: GPL-2.0-only
/* The stacks of many threads. Arguments: how many threads. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "workload.h"

#define STACK	(64UL << 10)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static size_t nr_threads, nr_done;
static uint64_t round_told;

/* Two pages on the stack, which the thread looks at itself; one at a time, as all count. */
static void *thread(void *arg)
{
	unsigned char mem[2 * PAGE] __attribute__((aligned(4096)));
	const struct area area = { .name = "stack", .seed = 1000 + (uintptr_t)arg,
				   .len = sizeof(mem), .mem = mem };
	uint64_t seen = 0;

	pthread_mutex_lock(&lock);
	area_fill(&area);
	for (;;) {
		nr_done++;
		pthread_cond_signal(&done);
		while (seen == round_told)
			pthread_cond_wait(&told, &lock);
		seen = round_told;
		area_check(&area);
	}
	return NULL;
}

static void wait_for_all(void)
{
	while (nr_done < nr_threads)
		pthread_cond_wait(&done, &lock);
}

static void prepare(int argc, char **argv)
{
	size_t nr = argc > 0 ? strtoul(argv[0], NULL, 10) : 2000;
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (nr_threads = 0; nr_threads < nr; nr_threads++) {
		errno = pthread_create(&id, &attr, thread, (void *)nr_threads);
		if (errno)
			die("pthread_create");
	}
	pthread_mutex_lock(&lock);
	wait_for_all();
	pthread_mutex_unlock(&lock);
	fact("threads", nr_threads);
}

static void verify(void)
{
	pthread_mutex_lock(&lock);
	nr_done = 0;
	round_told++;
	pthread_cond_broadcast(&told);
	wait_for_all();
	pthread_mutex_unlock(&lock);
	fact("threads", nr_threads);
}

const struct workload workload = { "stacks", prepare, verify };
