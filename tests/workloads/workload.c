// SPDX-License-Identifier: GPL-2.0-only
/* The protocol of all workloads: prepare, say so, wait, verify; see workload.h. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_CHILDREN	32
#define MAX_FACTS	24

/* Lines of /proc/self/status and of /proc/self/smaps_rollup, in kB. */
static const char *const memory_names[] = {
	"VmRSS", "RssAnon", "RssFile", "RssShmem", "VmSwap", "VmLck", "HugetlbPages",
	"Rss", "Pss", "Pss_Anon", "Anonymous", "AnonHugePages", "ShmemPmdMapped",
	"Shared_Hugetlb", "Private_Hugetlb", "Swap", "Locked", "KSM",
};
#define NR_MEMORY	NR(memory_names)

struct facts {
	char name[MAX_FACTS][32];
	uint64_t value[MAX_FACTS];
	size_t nr;
};

/* Of one process, since it began; short enough that a pipe takes it whole (PIPE_BUF). */
struct verdict {
	pid_t pid;
	uint64_t pages;			/* verified */
	uint64_t bad_bytes;
	uint64_t errors;		/* other than bytes */
	uint64_t spoiled;		/* bytes, by --spoil */
	char first_bad[64];		/* "AREA+OFFSET", or "" */
	char first_error[160];
	uint64_t ready[NR_MEMORY];
	uint64_t now[NR_MEMORY];
};

struct child {
	pid_t pid;
	int to, from;
};

const char *workload_dir;

static struct verdict verdict;
static struct facts facts;
static struct child children[MAX_CHILDREN];
static size_t nr_children;
static bool spoil, is_child;

void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", workload.name, what, strerror(errno));
	exit(1);
}

void wrong(const char *fmt, ...)
{
	va_list ap;

	verdict.errors++;
	if (verdict.first_error[0])
		return;
	va_start(ap, fmt);
	vsnprintf(verdict.first_error, sizeof(verdict.first_error), fmt, ap);
	va_end(ap);
}

void fact(const char *name, uint64_t value)
{
	if (facts.nr == MAX_FACTS)
		return;
	snprintf(facts.name[facts.nr], sizeof(facts.name[0]), "%s", name);
	facts.value[facts.nr++] = value;
}

/* --- memory with a pattern ---------------------------------------------------- */

/* splitmix64 (public domain, S. Vigna): the word at any place, without those before it. */
static uint64_t word(uint64_t seed, uint64_t index)
{
	uint64_t z = (seed << 40) + (index + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void contents_fill(const struct area *a, size_t page, unsigned char *mem)
{
	uint64_t *words = (uint64_t *)mem;

	for (size_t i = 0; i < PAGE / 8; i++)
		words[i] = word(a->seed, page * (PAGE / 8) + i);
	if (spoil && page == 0) {
		mem[PAGE - 1] ^= 1;
		verdict.spoiled++;
	}
}

static void compare(const char *name, size_t at, const unsigned char *got, uint64_t want)
{
	const unsigned char *w = (const unsigned char *)&want;

	for (size_t b = 0; b < 8; b++) {
		if (got[b] == w[b])
			continue;
		verdict.bad_bytes++;
		if (!verdict.first_bad[0])
			snprintf(verdict.first_bad, sizeof(verdict.first_bad), "%s+%#zx", name,
				 at + b);
	}
}

void contents_check(const struct area *a, size_t page, const unsigned char *mem)
{
	const uint64_t *words = (const uint64_t *)mem;

	for (size_t i = 0; i < PAGE / 8; i++) {
		uint64_t want = word(a->seed, page * (PAGE / 8) + i);

		if (words[i] != want)
			compare(a->name, page * PAGE + i * 8, mem + i * 8, want);
	}
	verdict.pages++;
}

void zero_check(const char *name, const unsigned char *mem, size_t len)
{
	const uint64_t *words = (const uint64_t *)mem;

	for (size_t i = 0; i < len / 8; i++)
		if (words[i])
			compare(name, i * 8, mem + i * 8, 0);
	verdict.pages += len / PAGE;
}

void page_fill(const struct area *a, size_t page)
{
	contents_fill(a, page, a->mem + page * PAGE);
}

void page_check(const struct area *a, size_t page)
{
	contents_check(a, page, a->mem + page * PAGE);
}

void area_map(struct area *a, int flags)
{
	a->mem = mmap(a->mem, a->len, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (a->mem == MAP_FAILED)
		die(a->name);
	/* khugepaged fills holes, at any time: what is in memory could not be compared. */
	madvise(a->mem, a->len, MADV_NOHUGEPAGE);
}

void area_fill(const struct area *a)
{
	for (size_t page = 0; page < a->len / PAGE; page += a->stride ? a->stride : 1)
		page_fill(a, page);
}

void area_check(const struct area *a)
{
	for (size_t page = 0; page < a->len / PAGE; page++) {
		if (a->stride > 1 && page % a->stride)
			zero_check(a->name, a->mem + page * PAGE, PAGE);
		else
			page_check(a, page);
	}
}

void area_check_protected(const struct area *a, int prot)
{
	if (protection_of(a->mem) != prot)
		wrong("%s has protection %d and not %d", a->name, protection_of(a->mem), prot);
	if (mprotect(a->mem, a->len, prot | PROT_READ) < 0)
		die(a->name);
	area_check(a);
	if (mprotect(a->mem, a->len, prot) < 0)
		die(a->name);
}

/* --- one's own memory ------------------------------------------------------------ */

static void read_lines(const char *path, uint64_t *values)
{
	static char text[16384];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len < 0)
		die(path);
	close(fd);
	text[len] = '\0';
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		for (size_t i = 0; i < NR_MEMORY; i++) {
			size_t n = strlen(memory_names[i]);

			if (!strncmp(line, memory_names[i], n) && line[n] == ':')
				values[i] = strtoull(line + n + 1, NULL, 10);
		}
	}
}

static void measure(uint64_t *values)
{
	read_lines("/proc/self/status", values);
	read_lines("/proc/self/smaps_rollup", values);
}

/* --- children ---------------------------------------------------------------------- */

static void full_read(int fd, void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t r = read(fd, (char *)data + done, len - done);

		if (r == 0 && is_child)
			_exit(0);	/* and so has its parent */
		if (r == 0) {
			errno = ECHILD;
			die("a child has ended");
		}
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

/* What a parent asks of its child. */
enum request { MEASURE_READY, MEASURE, VERIFY };

static void child_serve(struct child *c, void (*verify)(void *arg), void *arg)
{
	for (;;) {
		char request;

		full_read(c->from, &request, 1);
		if (request == MEASURE_READY) {
			measure(verdict.ready);
			measure(verdict.ready);
		} else if (request == MEASURE) {
			measure(verdict.now);
		} else {
			verify(arg);
		}
		full_write(c->to, &verdict, sizeof(verdict));
	}
}

pid_t child_start(void (*prepare)(void *arg), void (*verify)(void *arg), void *arg)
{
	struct child *c = &children[nr_children];
	int request[2], answer[2];
	char byte = 0;
	pid_t pid;

	if (nr_children == MAX_CHILDREN || pipe(request) < 0 || pipe(answer) < 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		struct child self = { .to = answer[1], .from = request[0] };

		/* Otherwise it would not see its parent's end. */
		for (size_t i = 0; i < nr_children; i++) {
			close(children[i].to);
			close(children[i].from);
		}
		close(request[1]);
		close(answer[0]);
		is_child = true;
		nr_children = 0;
		memset(&verdict, 0, sizeof(verdict));
		verdict.pid = getpid();
		prepare(arg);
		full_write(self.to, &byte, 1);
		child_serve(&self, verify, arg);
	}
	close(request[0]);
	close(answer[1]);
	*c = (struct child){ .pid = pid, .to = request[1], .from = answer[0] };
	nr_children++;
	full_read(c->from, &byte, 1);
	return pid;
}

static void ask(size_t i, char request, struct verdict *answer)
{
	full_write(children[i].to, &request, 1);
	full_read(children[i].from, answer, sizeof(*answer));
}

/* --- the JSON ------------------------------------------------------------------------ */

static char text[65536];
static size_t text_len;

static void put(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_len += vsnprintf(text + text_len, sizeof(text) - text_len, fmt, ap);
	va_end(ap);
	if (text_len >= sizeof(text)) {
		errno = E2BIG;
		die("result");
	}
}

static void put_memory(const char *name, const uint64_t *values)
{
	put(", \"%s\": {", name);
	for (size_t i = 0; i < NR_MEMORY; i++)
		put("%s\"%s\": %" PRIu64, i ? ", " : "", memory_names[i], values[i]);
	put("}");
}

static void put_process(const struct verdict *v)
{
	put("{\"pid\": %d, \"pages\": %" PRIu64 ", \"bad_bytes\": %" PRIu64
	    ", \"errors\": %" PRIu64, v->pid, v->pages, v->bad_bytes, v->errors);
	put_memory("ready", v->ready);
	put_memory("now", v->now);
	put("}");
}

static void put_totals(const struct verdict *all, size_t nr)
{
	struct verdict sum = { 0 };

	for (size_t i = 0; i < nr; i++) {
		sum.pages += all[i].pages;
		sum.bad_bytes += all[i].bad_bytes;
		sum.errors += all[i].errors;
		sum.spoiled += all[i].spoiled;
		if (!sum.first_bad[0])
			memcpy(sum.first_bad, all[i].first_bad, sizeof(sum.first_bad));
		if (!sum.first_error[0])
			memcpy(sum.first_error, all[i].first_error, sizeof(sum.first_error));
	}
	put("{\"kind\": \"%s\", \"pid\": %d, \"pages\": %" PRIu64 ", \"bad_bytes\": %" PRIu64
	    ", \"first_bad\": \"%s\", \"errors\": %" PRIu64 ", \"first_error\": \"%s\""
	    ", \"spoiled\": %" PRIu64, workload.name, getpid(), sum.pages, sum.bad_bytes,
	    sum.first_bad, sum.errors, sum.first_error, sum.spoiled);
}

static void report(const char *name, const struct verdict *all)
{
	char path[512], tmp[520];
	int fd;

	text_len = 0;
	put_totals(all, nr_children + 1);
	put(", \"facts\": {");
	for (size_t i = 0; i < facts.nr; i++)
		put("%s\"%s\": %" PRIu64, i ? ", " : "", facts.name[i], facts.value[i]);
	put("}, \"processes\": [");
	for (size_t i = 0; i <= nr_children; i++) {
		put("%s", i ? ", " : "");
		put_process(&all[i]);
	}
	put("]}\n");

	snprintf(path, sizeof(path), "%s/%s", workload_dir, name);
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, text_len) != (ssize_t)text_len || close(fd) < 0 ||
	    rename(tmp, path) < 0)
		die(path);
}

/* --- the protocol --------------------------------------------------------------------- */

static struct verdict all[MAX_CHILDREN + 1];

static void say_ready(void)
{
	/* Twice: the first time, what this itself needs comes into memory. */
	for (int i = 0; i < 2; i++) {
		for (size_t c = 0; c < nr_children; c++)
			ask(c, MEASURE_READY, &all[c + 1]);
		measure(verdict.ready);
	}
	all[0] = verdict;
	report("ready", all);
}

static void verify_all(int generation)
{
	char name[32];

	/* All are measured before any is verified, which may change what is in memory. */
	measure(verdict.now);
	for (size_t i = 0; i < nr_children; i++)
		ask(i, MEASURE, &all[i + 1]);
	facts.nr = 0;
	workload.verify();
	for (size_t i = 0; i < nr_children; i++)
		ask(i, VERIFY, &all[i + 1]);
	all[0] = verdict;
	snprintf(name, sizeof(name), "result.%d", generation);
	report(name, all);
}

int main(int argc, char **argv)
{
	sigset_t set;
	int number;

	if (argc > 2 && !strcmp(argv[argc - 1], "--spoil")) {
		spoil = true;
		argc--;
	}
	if (argc < 2) {
		fprintf(stderr, "usage: %s DIR [ARGUMENT...] [--spoil]\n", workload.name);
		return 2;
	}
	workload_dir = realpath(argv[1], NULL);
	if (!workload_dir)
		die(argv[1]);
	/* Before any thread is made, so that only the sigwait() below takes it. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);

	verdict.pid = getpid();
	workload.prepare(argc - 2, argv + 2);
	say_ready();
	for (int generation = 1;; generation++) {
		if (sigwait(&set, &number))
			die("sigwait");
		verify_all(generation);
	}
}
