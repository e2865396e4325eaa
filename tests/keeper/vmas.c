// SPDX-License-Identifier: GPL-2.0-only
/* VMAS: the module tells of every mapping what /proc/PID/smaps tells. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_FLAGS	40

/* Mappings with as many flags as a process can ask for. */
static const struct {
	int map, advice;
	bool lock;
} kinds[] = {
	{ 0, MADV_NORMAL, false },
	{ 0, MADV_WIPEONFORK, false },
	{ 0, MADV_DONTFORK, false },
	{ 0, MADV_DONTDUMP, false },
	{ 0, MADV_SEQUENTIAL, false },
	{ 0, MADV_RANDOM, false },
	{ 0, MADV_MERGEABLE, false },
	{ 0, MADV_HUGEPAGE, false },
	{ 0, MADV_NOHUGEPAGE, false },
	{ 0, MADV_NORMAL, true },
	{ MAP_NORESERVE, MADV_NORMAL, false },
	{ MAP_GROWSDOWN, MADV_NORMAL, false },
};

static pid_t vmas_child(int lock)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | kinds[i].map, -1, 0);

			madvise(p, 16 * PAGE, kinds[i].advice);
			if (kinds[i].lock)
				mlock(p, 16 * PAGE);
			/* So that its neighbour is another mapping in any case. */
			mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		}
		mmap(NULL, 16 * PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (lock && mlockall(lock))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0)
		bail("fork");
	stop_wait(pid);
	return pid;
}

static int by_letters(const void *a, const void *b)
{
	return memcmp(a, b, 2);
}

/* The words of two letters, in alphabetical order. */
static void sorted(const char *flags, size_t len, char *out)
{
	char words[MAX_FLAGS][2];
	size_t nr = 0;

	for (size_t i = 0; i + 1 < len && flags[i] && flags[i] != '\n' && nr < MAX_FLAGS; ) {
		if (flags[i] == ' ') {
			i++;
			continue;
		}
		memcpy(words[nr++], &flags[i], 2);
		i += 2;
	}
	qsort(words, nr, 2, by_letters);
	for (size_t i = 0; i < nr; i++)
		out += sprintf(out, "%.2s ", words[i]);
	*out = '\0';
}

/* How many mappings of smaps are told of in another way. */
static int compare(pid_t pid, const struct nvwa_vma *vmas, uint32_t nr)
{
	char path[64], line[512], want[4 * MAX_FLAGS], got[4 * MAX_FLAGS];
	uint64_t start = 0, end = 0, s, e;
	uint32_t i = 0;
	int wrong = 0;
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	smaps = fopen(path, "re");
	if (!smaps)
		bail("%s", path);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &s, &e) == 2) {
			start = s;
			end = e;
		}
		if (strncmp(line, "VmFlags:", 8) || start >= 1ULL << 63)
			continue;
		sorted(line + 8, strlen(line + 8), want);
		got[0] = '\0';
		if (i < nr)
			sorted(vmas[i].flags, NVWA_VMA_FLAGS_LEN, got);
		if (i >= nr || vmas[i].start != start || vmas[i].end != end || strcmp(want, got)) {
			printf("# %" PRIx64 "-%" PRIx64 ": %s, not %s\n", start, end, got, want);
			wrong++;
		}
		i++;
	}
	fclose(smaps);
	return wrong + (i != nr);
}

/* What mlockall(2) has said of the future. */
static void test_future(int lock, uint32_t want)
{
	struct nvwa_vmas v = { .pid = vmas_child(lock) };
	int fd = keeper_open();

	same(keeper_call(fd, NVWA_IOC_VMAS, &v), 0, "ask after mlockall(%d)", lock);
	same(v.mm_flags, want, "what it has said of mappings to come");
	kill(v.pid, SIGKILL);
	end_wait(v.pid);
	close(fd);
}

void test_vmas(void)
{
	struct nvwa_vma list[256] = { 0 };
	struct nvwa_vmas v = { .pid = vmas_child(0), .vmas = (uintptr_t)list };
	int fd = keeper_open();
	uint32_t nr;

	same(keeper_call(fd, NVWA_IOC_VMAS, &v), 0, "count the mappings of a process");
	nr = v.nr;
	ok(nr > sizeof(kinds) / sizeof(kinds[0]) && nr < 256, "there are %u", nr);
	v.nr = 3;
	same(keeper_call(fd, NVWA_IOC_VMAS, &v), 0, "ask for the first three");
	same(v.nr, nr, "and hear how many there are");
	ok(list[2].end && !list[3].end, "but get three");
	v.nr = 256;
	same(keeper_call(fd, NVWA_IOC_VMAS, &v), 0, "ask for all");
	same(compare(v.pid, list, v.nr), 0, "each is what smaps says, with the same flags");
	v.vmas = 8;
	same(keeper_call(fd, NVWA_IOC_VMAS, &v), -EFAULT, "nowhere to write is refused");
	same(v.mm_flags, 0, "nothing is said of mappings to come");
	v.flags = 1;
	same(keeper_call(fd, NVWA_IOC_VMAS, &v), -EINVAL, "unknown flags are refused");
	kill(v.pid, SIGKILL);
	end_wait(v.pid);
	v = (struct nvwa_vmas){ .pid = v.pid };
	same(keeper_call(fd, NVWA_IOC_VMAS, &v), -ESRCH, "a process that is gone is refused");
	close(fd);
	test_future(MCL_CURRENT, 0);
	test_future(MCL_FUTURE, NVWA_MM_LOCK_FUTURE);
	test_future(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT,
		    NVWA_MM_LOCK_FUTURE | NVWA_MM_LOCK_ONFAULT);
}
