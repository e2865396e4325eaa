// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel says of the program's own mappings. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t pages_with(const void *mem, size_t len, uint64_t bits)
{
	static uint64_t entries[4096];
	size_t page = (uintptr_t)mem / PAGE, last = page + len / PAGE, nr = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("/proc/self/pagemap");
	while (page < last) {
		size_t want = last - page < NR(entries) ? last - page : NR(entries);
		ssize_t got = pread(fd, entries, want * 8, page * 8);

		if (got <= 0)
			die("/proc/self/pagemap");
		for (ssize_t i = 0; i < got / 8; i++)
			nr += (entries[i] & bits) == bits;
		page += got / 8;
	}
	close(fd);
	return nr;
}

/* The line of smaps that says where the mapping at mem is, and behind it the one asked for. */
static bool smaps_line(const void *mem, const char *key, char *line, int size)
{
	unsigned long at = (unsigned long)mem, start, end;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false;

	if (!f)
		die("/proc/self/smaps");
	while (fgets(line, size, f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 && strchr(line, '-') < line + 17)
			inside = at >= start && at < end;
		if (inside && (!key || !strncmp(line, key, strlen(key)))) {
			fclose(f);
			return true;
		}
	}
	fclose(f);
	return false;
}

bool has_vmflag(const void *mem, const char *flag)
{
	char line[512], word[8];

	if (!smaps_line(mem, "VmFlags:", line, sizeof(line)))
		return false;
	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(line, word);
}

int protection_of(const void *mem)
{
	char line[512], r, w, x;

	if (!smaps_line(mem, NULL, line, sizeof(line)) ||
	    sscanf(line, "%*x-%*x %c%c%c", &r, &w, &x) != 3)
		return -1;
	return (r == 'r' ? PROT_READ : 0) | (w == 'w' ? PROT_WRITE : 0) |
	       (x == 'x' ? PROT_EXEC : 0);
}

static sigjmp_buf fault;

static void on_fault(int number)
{
	siglongjmp(fault, number);
}

bool read_faults(const void *mem)
{
	struct sigaction action = { .sa_handler = on_fault }, segv, bus;
	volatile bool faulted = true;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	if (!sigsetjmp(fault, 1)) {
		(void)*(const volatile unsigned char *)mem;
		faulted = false;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return faulted;
}
