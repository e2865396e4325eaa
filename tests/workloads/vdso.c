// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls that the kernel serves in the program's own address space (vDSO):
 * all that this kernel has, by a thread that never stops calling them.
 */
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

static int (*vdso_gettime)(clockid_t, struct timespec *);
static int (*vdso_getres)(clockid_t, struct timespec *);
static int (*vdso_gettimeofday)(struct timeval *, void *);
static time_t (*vdso_time)(time_t *);
static int (*vdso_getcpu)(unsigned int *, unsigned int *, void *);

static const struct {
	const char *name;
	void **function;
} symbols[] = {
	{ "__vdso_clock_gettime", (void **)&vdso_gettime },
	{ "__vdso_clock_getres", (void **)&vdso_getres },
	{ "__vdso_gettimeofday", (void **)&vdso_gettimeofday },
	{ "__vdso_time", (void **)&vdso_time },
	{ "__vdso_getcpu", (void **)&vdso_getcpu },
};

static const clockid_t clocks[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID,
};

static uint64_t last[NR(clocks)];
static volatile uint64_t calls, backwards;

/* The vDSO is a small ELF file in memory: look the names up in it. */
static void find_symbols(void)
{
	const char *base = (void *)getauxval(AT_SYSINFO_EHDR), *names = NULL;
	const Elf64_Ehdr *header = (const void *)base;
	const Elf64_Phdr *segments;
	const Elf64_Sym *table = NULL;
	const uint32_t *hash = NULL;
	uint32_t nr = 0;

	if (!base)
		die("AT_SYSINFO_EHDR");
	segments = (const void *)(base + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++) {
		const Elf64_Dyn *d = (const void *)(base + segments[i].p_offset);

		for (; segments[i].p_type == PT_DYNAMIC && d->d_tag; d++) {
			if (d->d_tag == DT_STRTAB)
				names = base + d->d_un.d_ptr;
			if (d->d_tag == DT_SYMTAB)
				table = (const void *)(base + d->d_un.d_ptr);
			if (d->d_tag == DT_HASH)
				hash = (const void *)(base + d->d_un.d_ptr);
		}
	}
	/* Without the old hash table: symbols end where their names begin. */
	if (table && names)
		nr = hash ? hash[1] : ((const char *)names - (const char *)table) / sizeof(*table);
	for (uint32_t i = 0; i < nr; i++)
		for (size_t s = 0; s < NR(symbols); s++)
			if (!strcmp(names + table[i].st_name, symbols[s].name))
				*symbols[s].function = (void *)(base + table[i].st_value);
}

static uint64_t ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ULL + ts->tv_nsec;
}

/* The vDSO's time lies between two that the kernel was asked for. */
static void check_clock(size_t i)
{
	struct timespec before, between, after, res, want;
	clockid_t id = clocks[i];

	syscall(SYS_clock_gettime, id, &before);
	if (vdso_gettime(id, &between))
		wrong("clock_gettime(%d): %s", id, strerror(errno));
	syscall(SYS_clock_gettime, id, &after);
	if (ns(&between) < ns(&before) || ns(&between) > ns(&after))
		wrong("clock %d: the vDSO says %lu, the kernel %lu to %lu", id, ns(&between),
		      ns(&before), ns(&after));
	if (ns(&between) < last[i])
		wrong("clock %d went back by %lu ns", id, last[i] - ns(&between));
	last[i] = ns(&between);
	if (!vdso_getres)
		return;
	memset(&res, 0xff, sizeof(res));
	syscall(SYS_clock_getres, id, &want);
	if (vdso_getres(id, &res) || ns(&res) != ns(&want))
		wrong("clock_getres(%d): the vDSO says %lu and the kernel %lu", id, ns(&res),
		      ns(&want));
}

static void check_others(void)
{
	struct timespec before, after;
	struct timeval tv = { 0 };
	unsigned int cpu, want;
	time_t now;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &before);
	vdso_gettimeofday(&tv, NULL);
	now = vdso_time(NULL);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &after);
	if (tv.tv_sec < before.tv_sec || tv.tv_sec > after.tv_sec)
		wrong("gettimeofday() says %ld, the kernel %ld", tv.tv_sec, before.tv_sec);
	/* time() is as coarse as the timer tick. */
	if (now < before.tv_sec - 1 || now > after.tv_sec)
		wrong("time() says %ld, the kernel %ld", now, before.tv_sec);
	for (int i = 0; i < 1000; i++) {
		if (vdso_getcpu(&cpu, NULL, NULL) == 0 &&
		    syscall(SYS_getcpu, &want, NULL, NULL) == 0 && cpu == want)
			return;
	}
	wrong("getcpu() says %u, the kernel %u", cpu, want);
}

static void *call(void *arg)
{
	uint64_t seen = 0;

	(void)arg;
	for (;;) {
		struct timespec ts;

		if (vdso_gettime(CLOCK_MONOTONIC, &ts) || ns(&ts) < seen)
			backwards++;
		seen = ns(&ts);
		calls++;
	}
	return NULL;
}

static void verify(void)
{
	uint64_t before = calls;

	for (size_t i = 0; i < NR(clocks); i++)
		check_clock(i);
	check_others();
	while (calls < before + 1000)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	if (backwards)
		wrong("CLOCK_MONOTONIC went back %lu times", backwards);
}

static void prepare(int argc, char **argv)
{
	pthread_t thread;

	(void)argc;
	(void)argv;
	find_symbols();
	if (!vdso_gettime || !vdso_gettimeofday || !vdso_time || !vdso_getcpu)
		die("the vDSO has no clock_gettime");
	errno = pthread_create(&thread, NULL, call, NULL);
	if (errno)
		die("pthread_create");
	verify();
	fact("clock_getres", vdso_getres != NULL);
}

const struct workload workload = { "vdso", prepare, verify };
