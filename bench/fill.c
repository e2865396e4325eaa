// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program whose memory is measured: fills MB of one kind, writes "ready"
 * into FILE and waits; at each SIGUSR1 it verifies what it filled and writes
 * "good" or "bad at OFFSET" there. One thread, one mapping, nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE	(2UL << 20)
/* A word in every cache line. */
#define STEP		64UL

static void die(const char *what)
{
	fprintf(stderr, "bench-fill: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Renamed into place, so that whoever waits for it never sees half of it. */
static void tell(const char *path, const char *text)
{
	char new[512];
	FILE *f;

	snprintf(new, sizeof(new), "%s.new", path);
	f = fopen(new, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || rename(new, path) < 0)
		die(path);
}

static uint64_t *map(const char *kind, size_t len)
{
	int shared = strcmp(kind, "shared") == 0, thp = strcmp(kind, "thp") == 0;
	char *mem;

	if (!shared && !thp && strcmp(kind, "anon") != 0) {
		fprintf(stderr, "bench-fill: kinds are anon, thp and shared, not %s\n", kind);
		exit(2);
	}
	/* One huge page more than needed, to begin at the start of one. */
	mem = mmap(NULL, len + HUGE_PAGE, PROT_READ | PROT_WRITE,
		   MAP_ANONYMOUS | MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	mem += -(uintptr_t)mem % HUGE_PAGE;
	if (madvise(mem, len, thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) < 0)
		die("madvise");
	return (uint64_t *)mem;
}

/* A figure for huge pages is none if there were not enough of them. */
static void check_huge(size_t len)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kb, huge = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "AnonHugePages: %lu kB", &kb) == 1)
			huge = kb << 10;
	if (f)
		fclose(f);
	if (huge >= len - len / 20)
		return;
	fprintf(stderr, "bench-fill: only %lu of %zu bytes are in huge pages\n", huge, len);
	exit(1);
}

static uint64_t value(size_t at)
{
	return (at + 1) * 0x9e3779b97f4a7c15ULL;
}

int main(int argc, char **argv)
{
	char verdict[64];
	uint64_t *mem;
	sigset_t set;
	size_t len;

	if (argc != 4) {
		fprintf(stderr, "usage: bench-fill anon|thp|shared MB FILE\n");
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	len = strtoul(argv[2], NULL, 10) << 20;
	mem = map(argv[1], len);
	for (size_t at = 0; at < len; at += STEP)
		mem[at / 8] = value(at);
	if (strcmp(argv[1], "thp") == 0)
		check_huge(len);
	tell(argv[3], "ready\n");
	for (;;) {
		size_t at = 0;
		int number;

		if (sigwait(&set, &number))
			die("sigwait");
		while (at < len && mem[at / 8] == value(at))
			at += STEP;
		if (at == len)
			snprintf(verdict, sizeof(verdict), "good\n");
		else
			snprintf(verdict, sizeof(verdict), "bad at %#zx\n", at);
		tell(argv[3], verdict);
	}
}
