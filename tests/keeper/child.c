// SPDX-License-Identifier: GPL-2.0-only
/* The process whose memory is replaced while it is stopped, and who then uses it. */
#include "new.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGES	1024

static char *map(uint64_t addr, uint64_t pages, int prot, int fd)
{
	char *p = mmap((void *)addr, pages * PAGE, prot,
		       MAP_PRIVATE | MAP_FIXED_NOREPLACE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (p == MAP_FAILED)
		bail("mmap at %#llx", (unsigned long long)addr);
	return p;
}

static void child_map(void)
{
	char file[] = "/tmp/keeper-XXXXXX", *p;
	int fd = mkstemp(file);

	if (fd < 0 || ftruncate(fd, 8 * PAGE))
		bail("cannot make %s", file);
	unlink(file);
	map(AT_PLAIN, 5064, PROT_READ | PROT_WRITE, -1);
	map(AT_NONE, 100, PROT_NONE, -1);
	map(AT_READ, 100, PROT_READ, -1);
	memset(map(AT_TOUCHED, 16, PROT_READ | PROT_WRITE, -1), 1, 16 * PAGE);
	map(AT_FILE, 8, PROT_READ | PROT_WRITE, fd);
	close(fd);
	p = map(AT_HUGE, HUGE_PAGES, PROT_READ | PROT_WRITE, -1);
	madvise(p, HUGE_PAGES * PAGE, MADV_HUGEPAGE);
	memset(p, 2, HUGE_PAGES * PAGE);
}

static bool holds(uint64_t addr, uint64_t nr)
{
	uint64_t i;

	for (i = 0; i < nr; i++) {
		if (!pattern_holds((void *)(addr + i * PAGE), addr + i * PAGE, PID_MAIN))
			return false;
	}
	return true;
}

static bool all_hold(void)
{
	return holds(AT_PLAIN, 5064) && holds(AT_NONE, 100) && holds(AT_READ, 100) &&
	       holds(AT_TOUCHED, 16) && holds(AT_FILE, 8) && holds(AT_HUGE + PAGE, 700);
}

/* Exit codes tell the step that failed. */
static void child_run(void)
{
	char *huge = (char *)AT_HUGE, *moved;
	pid_t pid;
	int i;

	mprotect((void *)AT_NONE, 100 * PAGE, PROT_READ | PROT_WRITE);
	mprotect((void *)AT_READ, 100 * PAGE, PROT_READ | PROT_WRITE);
	if (!all_hold())
		_exit(1);
	if (huge[0] != 2 || huge[701 * PAGE] != 2 || huge[HUGE_PAGES * PAGE - 1] != 2)
		_exit(2);
	/* A child writes to what it shares; we must not see it. */
	pid = fork();
	if (pid == 0) {
		memset((void *)AT_PLAIN, 7, 5064 * PAGE);
		memset((void *)AT_NONE, 7, 100 * PAGE);
		memset((void *)AT_READ, 7, 100 * PAGE);
		_exit(0);
	}
	if (pid < 0 || end_wait(pid) || !all_hold())
		_exit(3);
	/* Out to swap, if there is any, and in again; elsewhere; and away. */
	madvise((void *)AT_PLAIN, 5064 * PAGE, MADV_PAGEOUT);
	if (!all_hold())
		_exit(4);
	moved = mremap((void *)AT_PLAIN, 100 * PAGE, 100 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (void *)AT_NOWHERE);
	for (i = 0; i < 100; i++) {
		if (moved == MAP_FAILED ||
		    !pattern_holds(moved + i * PAGE, AT_PLAIN + i * PAGE, PID_MAIN))
			_exit(5);
	}
	memset((void *)AT_READ, 9, 100 * PAGE);
	munmap((void *)AT_NONE, 100 * PAGE);
	_exit(0);
}

pid_t insert_child_start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		child_map();
		raise(SIGSTOP);
		child_run();
	}
	if (pid < 0)
		bail("fork");
	stop_wait(pid);
	return pid;
}

uint64_t frames_withheld(uint64_t base, uint64_t len)
{
	/* Documentation/admin-guide/mm/pagemap.rst: NOPAGE, OFFLINE, RESERVED. */
	const uint64_t mask = 1ULL << 20 | 1ULL << 23 | 1ULL << 32;
	uint64_t pfn, flags, nr = 0;
	FILE *f = fopen("/proc/kpageflags", "re");

	if (!f || fseeko(f, base / PAGE * 8, SEEK_SET))
		bail("cannot read /proc/kpageflags");
	for (pfn = base / PAGE; pfn < (base + len) / PAGE; pfn++) {
		if (fread(&flags, 8, 1, f) != 1)
			bail("cannot read /proc/kpageflags");
		nr += (flags & mask) != 0;
	}
	fclose(f);
	return nr;
}

bool fill_memory(void)
{
	uint64_t size = proc_kib("/proc/meminfo", "MemAvailable") * 1024 * 9 / 10 / PAGE * PAGE;
	bool intact = true;
	uint64_t i;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail("mmap of all memory");
	for (i = 0; i < size; i += PAGE)
		pattern_fill(p + i, i, 3);
	for (i = 0; i < size; i += PAGE)
		intact &= pattern_holds(p + i, i, 3);
	munmap(p, size);
	return intact;
}
