// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that knows nothing of nvwa: several threads that keep working, a
 * child process, and memory of every private kind filled with a pattern that
 * is verified byte by byte at each SIGUSR1.
 *
 * usage: pattern DIR MB
 *
 * DIR/ready appears when all is filled and at work; the N-th SIGUSR1 makes
 * DIR/result.N, one line of JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define MIB		(1UL << 20)
#define NR_WORKERS	3

/* A piece of memory with its own pattern; every stride-th page is filled, the others are holes. */
struct area {
	const char *name;
	uint64_t seed;
	size_t len;
	size_t stride;
	int prot;		/* while the program works */
	unsigned char *mem;
};

/* Filled before the fork: shared with the child copy on write. */
static struct area common[] = {
	{ "cow", 11, 8 * MIB, 1, PROT_READ | PROT_WRITE, NULL },
};

static struct area own[] = {
	{ "main", 21, 0, 1, PROT_READ | PROT_WRITE, NULL },
	{ "sparse", 22, 256 * MIB, 64, PROT_READ | PROT_WRITE, NULL },
	{ "readonly", 23, MIB, 1, PROT_READ, NULL },
	{ "none", 24, MIB, 1, PROT_NONE, NULL },
};

static struct area childs[] = {
	{ "child", 31, 16 * MIB, 1, PROT_READ | PROT_WRITE, NULL },
};

#define NR(a)	(sizeof(a) / sizeof((a)[0]))

struct verdict {
	uint64_t pages;		/* verified */
	uint64_t bad_bytes;
	char first_bad[64];	/* "<area>+<offset>", or "" */
};

static void die(const char *what)
{
	fprintf(stderr, "pattern: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* splitmix64 (public domain, S. Vigna): the word at any place, without those before it. */
static uint64_t word(uint64_t seed, uint64_t index)
{
	uint64_t z = (seed << 40) + (index + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void fill(struct area *a)
{
	a->mem = mmap(NULL, a->len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->mem == MAP_FAILED)
		die("mmap");
	/* A huge page would fill the holes. */
	if (a->stride > 1)
		madvise(a->mem, a->len, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < a->len; at += a->stride * PAGE) {
		uint64_t *words = (uint64_t *)(a->mem + at);

		for (size_t i = 0; i < PAGE / 8; i++)
			words[i] = word(a->seed, at / 8 + i);
	}
	if (mprotect(a->mem, a->len, a->prot) < 0)
		die("mprotect");
}

static void verify(struct area *a, struct verdict *v)
{
	if (mprotect(a->mem, a->len, a->prot | PROT_READ) < 0)
		die("mprotect");
	for (size_t at = 0; at < a->len; at += PAGE) {
		bool filled = at / PAGE % a->stride == 0;
		const unsigned char *page = a->mem + at;

		for (size_t i = 0; i < PAGE / 8; i++) {
			uint64_t want = filled ? word(a->seed, at / 8 + i) : 0;

			if (memcmp(page + 8 * i, &want, 8) == 0)
				continue;
			for (size_t b = 0; b < 8; b++)
				v->bad_bytes += page[8 * i + b] != ((unsigned char *)&want)[b];
			if (!v->first_bad[0])
				snprintf(v->first_bad, sizeof(v->first_bad), "%s+%#zx",
					 a->name, at + 8 * i);
		}
		v->pages++;
	}
	if (mprotect(a->mem, a->len, a->prot) < 0)
		die("mprotect");
}

static void verify_all(struct area *areas, size_t nr, struct verdict *v)
{
	for (size_t i = 0; i < nr; i++)
		verify(&areas[i], v);
}

/* --- the child: answers each number with the next one, 0 with a verdict ----- */

static int to_child = -1, from_child = -1;

static void full_read(int fd, void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t r = read(fd, (char *)data + done, len - done);

		if (r == 0)
			_exit(0);	/* the other process has ended */
		if (r < 0 && errno != EINTR)
			die("read");
		done += r > 0 ? r : 0;
	}
}

static void full_write(int fd, const void *data, size_t len)
{
	/* Short messages: a pipe takes them whole. */
	while (write(fd, data, len) != (ssize_t)len)
		if (errno != EINTR)
			die("write");
}

static void child_main(int in, int out)
{
	fill(&childs[0]);
	for (;;) {
		uint64_t number;

		full_read(in, &number, sizeof(number));
		if (number) {
			number++;
			full_write(out, &number, sizeof(number));
		} else {
			struct verdict v = { 0 };

			verify_all(childs, NR(childs), &v);
			verify_all(common, NR(common), &v);
			full_write(out, &v, sizeof(v));
		}
	}
}

static pid_t start_child(void)
{
	int request[2], answer[2];
	pid_t pid;

	if (pipe(request) < 0 || pipe(answer) < 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(request[1]);
		close(answer[0]);
		child_main(request[0], answer[1]);
		_exit(0);
	}
	close(request[0]);
	close(answer[1]);
	to_child = request[1];
	from_child = answer[0];
	return pid;
}

/* --- threads that keep working ---------------------------------------------- */

static pthread_mutex_t child_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t counters[NR_WORKERS];
static volatile uint64_t pings, errors;

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* The counter is kept twice, once in the thread's own storage. */
static void *worker(void *arg)
{
	static __thread uint64_t mine;
	size_t i = (size_t)arg;

	for (;;) {
		if (counters[i] != mine)
			__atomic_add_fetch(&errors, 1, __ATOMIC_RELAXED);
		mine++;
		counters[i] = mine;
		nap();
	}
	return NULL;
}

static void *pinger(void *arg)
{
	(void)arg;
	for (uint64_t n = 1;; n += 2) {
		uint64_t answer = 0;

		pthread_mutex_lock(&child_lock);
		full_write(to_child, &n, sizeof(n));
		full_read(from_child, &answer, sizeof(answer));
		pthread_mutex_unlock(&child_lock);
		if (answer != n + 1)
			__atomic_add_fetch(&errors, 1, __ATOMIC_RELAXED);
		pings++;
		nap();
	}
	return NULL;
}

static void start_threads(void)
{
	pthread_t thread;

	for (size_t i = 0; i < NR_WORKERS; i++)
		if (pthread_create(&thread, NULL, worker, (void *)i))
			die("pthread_create");
	if (pthread_create(&thread, NULL, pinger, NULL))
		die("pthread_create");
}

/* --- the verdict -------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[512], tmp[520];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || rename(tmp, path) < 0)
		die(path);
}

static void report(const char *dir, int generation, pid_t child)
{
	struct verdict v = { 0 }, c = { 0 };
	const uint64_t zero = 0;
	char name[32], text[1024];

	verify_all(common, NR(common), &v);
	verify_all(own, NR(own), &v);
	pthread_mutex_lock(&child_lock);
	full_write(to_child, &zero, sizeof(zero));
	full_read(from_child, &c, sizeof(c));
	pthread_mutex_unlock(&child_lock);
	snprintf(text, sizeof(text),
		 "{\"pid\": %d, \"child\": %d, \"pages\": %" PRIu64 ", \"bad_bytes\": %" PRIu64
		 ", \"first_bad\": \"%s\", \"child_pages\": %" PRIu64
		 ", \"child_bad_bytes\": %" PRIu64 ", \"child_first_bad\": \"%s\""
		 ", \"errors\": %" PRIu64 ", \"pings\": %" PRIu64
		 ", \"counters\": [%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]}\n",
		 getpid(), child, v.pages, v.bad_bytes, v.first_bad, c.pages, c.bad_bytes,
		 c.first_bad, errors, pings, counters[0], counters[1], counters[2]);
	snprintf(name, sizeof(name), "result.%d", generation);
	write_file(dir, name, text);
}

int main(int argc, char **argv)
{
	sigset_t set;
	pid_t child;

	if (argc != 3) {
		fprintf(stderr, "usage: pattern DIR MB\n");
		return 2;
	}
	own[0].len = strtoul(argv[2], NULL, 10) * MIB;
	/* Before any thread is made, so that only the sigwait() below takes it. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);

	for (size_t i = 0; i < NR(common); i++)
		fill(&common[i]);
	child = start_child();
	for (size_t i = 0; i < NR(own); i++)
		fill(&own[i]);
	start_threads();
	write_file(argv[1], "ready", "ready\n");
	for (int generation = 1;; generation++) {
		int number;

		if (sigwait(&set, &number))
			die("sigwait");
		report(argv[1], generation, child);
	}
}
