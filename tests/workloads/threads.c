// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each thread has of its own: thread-local storage, the list of robust
 * mutexes, and the area that the kernel keeps for restartable sequences.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

#define NR_THREADS	8

static __thread unsigned char local[PAGE] __attribute__((aligned(8)));
static __thread uint64_t counter;

static struct thread {
	pthread_t id;
	struct area area;		/* its storage */
	pthread_mutex_t held;		/* by the thread, all the time */
	volatile uint64_t counter;
	volatile uint64_t rounds;
} threads[NR_THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile bool quit[NR_THREADS];
static bool gone[NR_THREADS];
static bool had_rseq;

/* What the kernel keeps there: the CPU at the last return to the thread. */
static const volatile struct rseq *rseq_area(void)
{
	return (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static bool rseq_works(void)
{
	/* Between the two system calls and the reads the thread may move. */
	for (int i = 0; __rseq_size && i < 1000; i++) {
		unsigned int cpu, area = rseq_area()->cpu_id;

		if (syscall(SYS_getcpu, &cpu, NULL, NULL) == 0 && cpu == area &&
		    (unsigned int)sched_getcpu() == cpu)
			return true;
	}
	return false;
}

/* Everything, over and over, so that the freeze meets it in the middle. */
static void look(struct thread *t, size_t i)
{
	if (counter != t->counter)
		wrong("thread %zu: its storage has changed", i);
	counter++;
	t->counter = counter;
	contents_check(&t->area, 0, local);
	if (had_rseq && !rseq_works())
		wrong("thread %zu: its rseq area is dead", i);
	if (pthread_self() != t->id)
		wrong("thread %zu: it is another one", i);
	t->rounds++;
}

static void *work(void *arg)
{
	size_t i = (uintptr_t)arg;

	pthread_mutex_lock(&lock);
	threads[i].area = (struct area){ .name = "local", .seed = 2000 + i };
	contents_fill(&threads[i].area, 0, local);
	pthread_mutex_unlock(&lock);
	pthread_mutex_lock(&threads[i].held);
	while (!quit[i]) {
		pthread_mutex_lock(&lock);
		look(&threads[i], i);
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
	/* Ends with the mutex held: the kernel walks the thread's list and marks it. */
	return NULL;
}

static void prepare(int argc, char **argv)
{
	pthread_mutexattr_t attr;

	(void)argc;
	(void)argv;
	had_rseq = rseq_works();
	fact("rseq", had_rseq);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < NR_THREADS; i++) {
		pthread_mutex_init(&threads[i].held, &attr);
		errno = pthread_create(&threads[i].id, NULL, work, (void *)i);
		if (errno)
			die("pthread_create");
	}
	pthread_mutex_unlock(&lock);
	for (size_t i = 0; i < NR_THREADS; i++)
		while (!threads[i].rounds)
			sched_yield();
}

/* All have gone on; then one thread ends, and the kernel must hand on its mutex. */
static void verify(void)
{
	static size_t next;

	for (size_t i = 0; i < NR_THREADS; i++) {
		uint64_t before = threads[i].rounds;

		while (!gone[i] && threads[i].rounds == before)
			sched_yield();
	}
	if (had_rseq && !rseq_works())
		wrong("the main thread's rseq area is dead");
	if (next == NR_THREADS)
		return;
	if (pthread_mutex_trylock(&threads[next].held) != EBUSY)
		wrong("the mutex of thread %zu is not held", next);
	quit[next] = gone[next] = true;
	pthread_join(threads[next].id, NULL);
	if (pthread_mutex_lock(&threads[next].held) != EOWNERDEAD)
		wrong("the kernel did not see that the owner of a robust mutex ended");
	pthread_mutex_consistent(&threads[next].held);
	next++;
	fact("rseq", rseq_works());
}

const struct workload workload = { "threads", prepare, verify };
