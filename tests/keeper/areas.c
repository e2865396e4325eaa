// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kinds of memory that pages are put into, huge ones above all: one area each,
 * in a process of its own, which then uses them in all ways that take a huge
 * page apart again.
 */
#include "new.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define AREAS_AT	0x180000000000ULL
#define HUGE		NVWA_HUGE_PAGES
#define CGROUP		"/sys/fs/cgroup/keeper"

enum before { HOLE, TOUCHED, READ, TOUCHED_ONE, BORDER, LOCKED, LOCK_ON_FAULT, OUT };

/* How the record has it (flags), and how the process that gets it (prot, before). */
static const struct area {
	const char *name;
	uint32_t pages;
	uint32_t at;		/* MiB into the hidden memory */
	uint32_t flags;
	int prot;
	enum before before;
	bool want_huge;		/* where the kernel takes huge pages */
	int map;		/* MAP_* */
	int advice;
} areas[] = {
	{ "huge pages", 4 * HUGE, 332, NVWA_RUN_HUGE, PROT_READ | PROT_WRITE, HOLE, true, 0,
	  MADV_HUGEPAGE },
	{ "huge pages, read only", 2 * HUGE, 340, NVWA_RUN_HUGE, PROT_READ, HOLE, true, 0,
	  MADV_HUGEPAGE },
	{ "a huge page without access", HUGE, 344, NVWA_RUN_HUGE, PROT_NONE, HOLE, true, 0,
	  MADV_HUGEPAGE },
	{ "a huge page where none may come to be", HUGE, 346, NVWA_RUN_HUGE,
	  PROT_READ | PROT_WRITE, HOLE, true, 0, MADV_NOHUGEPAGE },
	{ "huge pages over huge pages", 2 * HUGE, 348, NVWA_RUN_HUGE, PROT_READ | PROT_WRITE,
	  TOUCHED, true, 0, MADV_HUGEPAGE },
	{ "a huge page over the huge zero page", HUGE, 352, NVWA_RUN_HUGE,
	  PROT_READ | PROT_WRITE, READ, true, 0, MADV_HUGEPAGE },
	{ "a huge page, locked", HUGE, 354, NVWA_RUN_HUGE, PROT_READ | PROT_WRITE, LOCKED, true,
	  0, MADV_HUGEPAGE },
	{ "a huge page over a small one", HUGE, 356, NVWA_RUN_HUGE, PROT_READ | PROT_WRITE,
	  TOUCHED_ONE, false, 0, MADV_NOHUGEPAGE },
	{ "a huge page across a border", HUGE, 358, NVWA_RUN_HUGE, PROT_READ | PROT_WRITE,
	  BORDER, false, 0, MADV_HUGEPAGE },
	{ "small pages in a row", 2 * HUGE, 360, 0, PROT_READ | PROT_WRITE, HOLE, false, 0,
	  MADV_NORMAL },
	{ "small pages over huge pages", HUGE, 364, 0, PROT_READ | PROT_WRITE, TOUCHED, false, 0,
	  MADV_HUGEPAGE },
	{ "locked memory", 64, 366, 0, PROT_READ | PROT_WRITE, LOCKED, false, 0, MADV_NORMAL },
	{ "memory that is locked when used", 64, 367, 0, PROT_READ | PROT_WRITE, LOCK_ON_FAULT,
	  false, 0, MADV_NORMAL },
	{ "a stack", 64, 368, 0, PROT_READ | PROT_WRITE, HOLE, false, MAP_GROWSDOWN | MAP_STACK,
	  MADV_NORMAL },
	{ "memory that a fork wipes", 64, 369, 0, PROT_READ | PROT_WRITE, HOLE, false, 0,
	  MADV_WIPEONFORK },
	{ "memory over the zero page", 64, 370, 0, PROT_READ | PROT_WRITE, READ, false, 0,
	  MADV_NOHUGEPAGE },
	{ "memory over what is swapped out", 64, 371, 0, PROT_READ | PROT_WRITE, OUT, false, 0,
	  MADV_NOHUGEPAGE },
};
#define NR_AREAS	(sizeof(areas) / sizeof(areas[0]))

static uint64_t area_addr(const struct area *a)
{
	return AREAS_AT + (uint64_t)(a - areas) * 64 * MIB;
}

uint64_t areas_record(struct nvwa_run *runs)
{
	size_t i;

	for (i = 0; i < NR_AREAS; i++)
		runs[i] = (struct nvwa_run){ area_addr(&areas[i]), pfn_at(areas[i].at * MIB),
					     areas[i].pages, areas[i].flags };
	return NR_AREAS;
}

uint64_t areas_pages(void)
{
	uint64_t nr = 0;
	size_t i;

	for (i = 0; i < NR_AREAS; i++)
		nr += areas[i].pages;
	return nr;
}

static void area_make(const struct area *a)
{
	size_t len = a->pages * PAGE;
	volatile char *p = mmap((void *)area_addr(a), len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | a->map, -1, 0);
	size_t i;

	if (p == MAP_FAILED || madvise((void *)p, len, a->advice))
		bail("%s", a->name);
	switch (a->before) {
	case HOLE:
		break;
	case OUT:
	case TOUCHED:
		memset((void *)p, 2, len);
		if (a->before == OUT && madvise((void *)p, len, MADV_PAGEOUT))
			bail("%s", a->name);
		break;
	case READ:
		for (i = 0; i < len; i += PAGE)
			(void)p[i];
		break;
	case TOUCHED_ONE:
		p[77 * PAGE] = 3;
		break;
	case BORDER:
		mprotect((void *)(p + len / 2), len / 2, PROT_READ);
		break;
	case LOCKED:
		if (mlock((void *)p, len))
			bail("%s", a->name);
		break;
	case LOCK_ON_FAULT:
		if (mlock2((void *)p, len, MLOCK_ONFAULT))
			bail("%s", a->name);
		break;
	}
	if (a->prot != (PROT_READ | PROT_WRITE))
		mprotect((void *)p, len, a->prot);
}

/* Do pages from..to of an area hold what the record put into them? */
static bool area_holds(const struct area *a, uint64_t from, uint64_t to)
{
	for (; from < to; from++) {
		uint64_t addr = area_addr(a) + from * PAGE;

		if (!pattern_holds((void *)addr, addr, PID_AREAS))
			return false;
	}
	return true;
}

static bool all_hold(void)
{
	size_t i;

	for (i = 0; i < NR_AREAS; i++) {
		mprotect((void *)area_addr(&areas[i]), areas[i].pages * PAGE,
			 PROT_READ | PROT_WRITE);
		if (!area_holds(&areas[i], 0, areas[i].pages))
			return false;
	}
	return true;
}

/* Exit codes tell the step that failed. */
static void child_run(void)
{
	char *huge = (char *)area_addr(&areas[0]), *other = huge + 32 * MIB;
	const int to = MREMAP_MAYMOVE | MREMAP_FIXED;
	uint64_t addr;
	pid_t pid;
	size_t i;

	/* Out while they are as they came: some were never written to here. */
	for (i = 0; i < NR_AREAS; i++)
		madvise((void *)area_addr(&areas[i]), areas[i].pages * PAGE, MADV_PAGEOUT);
	if (!all_hold())
		_exit(1);
	/* A child writes to what it shares; we must not see it, nor it us. */
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < NR_AREAS; i++)
			memset((void *)area_addr(&areas[i]), 7, areas[i].pages * PAGE);
		_exit(0);
	}
	if (pid < 0 || end_wait(pid) || !all_hold())
		_exit(2);
	/* Holes in huge pages; parts of them elsewhere; other rights; and away. */
	munmap(huge + 100 * PAGE, 200 * PAGE);
	madvise(huge + 600 * PAGE, 50 * PAGE, MADV_DONTNEED);
	if (mremap(huge + 1100 * PAGE, 30 * PAGE, 30 * PAGE, to, other) != other)
		_exit(3);
	mprotect(huge + 1600 * PAGE, 10 * PAGE, PROT_READ);
	if (!area_holds(&areas[0], 0, 100) || !area_holds(&areas[0], 300, 600) ||
	    !area_holds(&areas[0], 650, 1100) || !area_holds(&areas[0], 1130, 4 * HUGE))
		_exit(4);
	for (i = 0; i < 30; i++) {
		addr = (uintptr_t)huge + (1100 + i) * PAGE;
		if (!pattern_holds(other + i * PAGE, addr, PID_AREAS))
			_exit(5);
	}
	for (i = 600; i < 650; i++) {
		if (huge[i * PAGE])
			_exit(6);
	}
	_exit(0);
}

static pid_t child_start(void)
{
	pid_t pid;
	size_t i;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		write_text(CGROUP "/cgroup.procs", "0");
		for (i = 0; i < NR_AREAS; i++)
			area_make(&areas[i]);
		raise(SIGSTOP);
		child_run();
	}
	if (pid < 0)
		bail("fork");
	stop_wait(pid);
	return pid;
}

/* Does this kernel take huge pages? */
static bool kernel_takes_huge(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 7 || (major == 7 && minor >= 3));
}

/* KiB of the mappings in an area that /proc/PID/smaps tells under this name. */
static long long area_kib(pid_t pid, const struct area *a, const char *name)
{
	unsigned long long start, end, at = 0;
	size_t len = strlen(name);
	char path[64], line[512];
	long long sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		bail("cannot read %s", path);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			at = start;
		else if (at >= area_addr(a) && at < area_addr(a) + a->pages * PAGE &&
			 !strncmp(line, name, len) && line[len] == ':')
			sum += atoll(line + len + 1);
	}
	fclose(f);
	return sum;
}

/* A value in the cgroup's memory.stat, bytes. */
static long long cgroup_stat(const char *name)
{
	char line[256], key[64];
	long long value, found = -1;
	FILE *f = fopen(CGROUP "/memory.stat", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lld", key, &value) == 2 && !strcmp(key, name))
			found = value;
	}
	if (f)
		fclose(f);
	return found;
}

static void check_area(pid_t pid, const struct area *a)
{
	uint64_t addr = area_addr(a), pfn = pfn_at(a->at * MIB), wrong = 0, i;
	long long huge = a->want_huge && kernel_takes_huge() ? a->pages * PAGE / 1024 : 0;

	for (i = 0; i < a->pages; i++)
		wrong += frame_of(pid, addr + i * PAGE) != pfn + i;
	same(wrong, a->before == OUT ? a->pages : 0, "%s: the same frames", a->name);
	same(area_kib(pid, a, "Rss"), a->pages * PAGE / 1024, "%s: all there", a->name);
	same(area_kib(pid, a, "AnonHugePages"), huge, "%s: huge pages", a->name);
}

void test_areas(int fd)
{
	struct nvwa_insert i = { .record_pid = PID_AREAS };
	long long huge = 0;
	size_t k;

	/* What arrives small must not be made huge while we look. */
	write_text("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "600000");
	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755))
		bail("cannot make %s", CGROUP);
	i.pid = child_start();
	same(keeper_call(fd, NVWA_IOC_INSERT, &i), 0, "put pages into memory of all kinds");
	same(i.nr_inserted + i.nr_copied, areas_pages(), "every page is accounted for");
	same(i.nr_copied, areas[NR_AREAS - 1].pages, "those over what is swapped out are copied");
	for (k = 0; k < NR_AREAS; k++) {
		check_area(i.pid, &areas[k]);
		huge += area_kib(i.pid, &areas[k], "AnonHugePages") * 1024;
	}
	ok(cgroup_stat("anon") >= (long long)(areas_pages() * PAGE) &&
	   cgroup_stat("anon") < (long long)(areas_pages() * PAGE + MIB),
	   "they are charged to its cgroup (%lld)", cgroup_stat("anon"));
	same(cgroup_stat("anon_thp"), huge, "the huge ones as huge ones");
	kill(i.pid, SIGCONT);
	same(end_wait(i.pid), 0, "the process uses them in all ways, and ends");
	ok(cgroup_stat("anon") < (long long)MIB, "nothing is charged any more (%lld)",
	   cgroup_stat("anon"));
	same(rmdir(CGROUP), 0, "and the cgroup can go");
}
