// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that somebody else holds, or that are odd in other ways, while they
 * are captured: pinned for DMA, in a pipe, swapped out, merged, poisoned.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT		0x100000000000ULL
#define PAGES		64

enum odd { PLAIN, PINNED, PIPED, SWAPPED, MERGED, POISONED };

static char *map_pages(void)
{
	char *p = mmap((void *)AT, PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		bail("mmap");
	madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static void on_sigbus(int signal)
{
	(void)signal;
}

/* Make page 7 odd; false if this kernel will not. */
static bool make_odd(enum odd odd, char *p)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { p + 7 * PAGE, PAGE };
	int fds[2], ring, i;

	switch (odd) {
	case PLAIN:
		return true;
	case PINNED:
		ring = syscall(SYS_io_uring_setup, 4, &params);
		return ring >= 0 &&
		       !syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
	case PIPED:
		return !pipe(fds) && vmsplice(fds[1], &iov, 1, 0) == (ssize_t)PAGE;
	case SWAPPED:
		if (madvise(p, PAGES * PAGE, MADV_PAGEOUT))
			return false;
		return !frame_of(getpid(), AT + 7 * PAGE);
	case MERGED:
		for (i = 0; i < PAGES; i++)
			memset(p + i * PAGE, 5, PAGE);
		if (madvise(p, PAGES * PAGE, MADV_MERGEABLE))
			return false;
		write_text("/sys/kernel/mm/ksm/sleep_millisecs", "1");
		write_text("/sys/kernel/mm/ksm/run", "1");
		for (i = 0; i < 2000; i++) {
			if (frame_of(getpid(), AT) == frame_of(getpid(), AT + PAGE))
				return true;
			usleep(10000);
		}
		return false;
	case POISONED:
		/* Newer kernels tell the process at once. */
		sigaction(SIGBUS, &(struct sigaction){ .sa_handler = on_sigbus }, NULL);
		return !madvise(p + 7 * PAGE, PAGE, MADV_HWPOISON);
	}
	return false;
}

static bool intact(enum odd odd, const char *p)
{
	int i;

	for (i = 0; i < PAGES; i++) {
		if (odd == MERGED ? p[i * PAGE] != 5 : !pattern_holds(p + i * PAGE, i, 2))
			return false;
	}
	return true;
}

static pid_t odd_start(enum odd odd)
{
	pid_t pid;
	int i;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		char *p = map_pages();

		for (i = 0; i < PAGES; i++)
			pattern_fill(p + i * PAGE, i, 2);
		if (!make_odd(odd, p))
			_exit(77);
		raise(SIGSTOP);
		_exit(odd != POISONED && !intact(odd, p));
	}
	return pid;
}

static void test_one(enum odd odd, const char *what, int want)
{
	struct nvwa_range scratch = { 0, PAGE }, range = { AT, PAGES * PAGE };
	uint64_t header;
	struct nvwa_capture c;
	int status, fd = keeper_open();
	pid_t pid = odd_start(odd);

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) {
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			printf("# %s: this kernel has no such thing\n", what);
		else
			ok(false, "%s: the process ended with status %#x", what, status);
		close(fd);
		return;
	}
	if (begin(fd, &scratch, &header))
		bail("BEGIN");
	c = (struct nvwa_capture){ .pid = pid, .ranges = (uintptr_t)&range, .nr_ranges = 1 };
	same(keeper_call(fd, NVWA_IOC_CAPTURE, &c), want, "%s", what);
	if (want == -EBUSY)
		same(c.busy_addr, AT + 7 * PAGE, "and it says where");
	if (odd == MERGED)
		ok(c.nr_unshared > 0, "merged pages are copied (%llu)", c.nr_unshared);
	if (!want)
		same(c.nr_pinned + c.nr_unshared + c.nr_evacuated, PAGES, "all pages are taken");
	/* Taken or not, a second try must find nothing left of the first. */
	if (want)
		same(keeper_call(fd, NVWA_IOC_CAPTURE, &c), want, "and again");
	kill(pid, SIGCONT);
	same(end_wait(pid), 0, "the process goes on");
	close(fd);
}

/* --- memory of all kinds --- */

#define MADV_GUARD	102	/* MADV_GUARD_INSTALL, since 6.13 */

/* What each area has, and how many of its pages are memory of the process. */
static const struct kind {
	const char *name;
	uint64_t pages;
	uint64_t want;
	int map;
} kinds[] = {
	{ "one zero page", 64, 63, 0 },
	{ "the huge zero page", 1024, 0, 0 },
	{ "lazily freed", 64, 64, 0 },
	{ "a stack", 64, 64, MAP_GROWSDOWN | MAP_STACK },
	{ "locked", 64, 64, 0 },
	{ "a private file", 64, 64, 0 },
	{ "huge pages", 1024, 1024, 0 },
};
#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static char *kind_at(size_t i)
{
	return (char *)AT + (i + 1) * 64 * MIB;
}

static void kind_make(size_t i)
{
	char name[] = "/tmp/keeper-XXXXXX", *p = kind_at(i);
	uint64_t k, len = kinds[i].pages * PAGE;
	bool huge = kinds[i].pages >= NVWA_HUGE_PAGES;
	int fd = -1;

	if (i == 5 && ((fd = mkstemp(name)) < 0 || unlink(name) || ftruncate(fd, len)))
		bail("cannot make %s", name);
	if (mmap(p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE | kinds[i].map |
		 (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0) != p)
		bail("%s", kinds[i].name);
	madvise(p, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (k = 0; k < kinds[i].pages && i != 1; k++)
		pattern_fill(p + k * PAGE, k, i);
	if (i == 0)
		madvise(p + 7 * PAGE, PAGE, MADV_DONTNEED);
	if (i < 2 && ((volatile char *)p)[7 * PAGE] + ((volatile char *)p)[600 * PAGE * i])
		bail("no zeroes");
	if (i == 2 && madvise(p, len, MADV_FREE))
		bail("%s", kinds[i].name);
	if (i == 4 && mlock(p, len))
		bail("%s", kinds[i].name);
}

static bool kind_intact(size_t i)
{
	uint64_t k;

	for (k = 0; k < kinds[i].pages; k++) {
		bool zero = i == 1 || (i == 0 && k == 7);

		if (zero ? kind_at(i)[k * PAGE] != 0 : !pattern_holds(kind_at(i) + k * PAGE, k, i))
			return false;
	}
	return true;
}

static void kinds_run(void)
{
	size_t i;

	for (i = 0; i < NR_KINDS; i++)
		kind_make(i);
	raise(SIGSTOP);
	for (i = 0; i < NR_KINDS; i++) {
		if (!kind_intact(i))
			_exit(1 + i);
	}
	raise(SIGSTOP);
	/* Zeroes, then a guard that is no memory. */
	_exit(madvise(kind_at(0), PAGE, MADV_GUARD) ? 77 : raise(SIGSTOP));
}

static void test_kinds(void)
{
	struct nvwa_range scratch = { 0, PAGE }, range[NR_KINDS];
	uint64_t header;
	struct nvwa_capture c = { .nr_ranges = NR_KINDS, .ranges = (uintptr_t)range };
	uint64_t want = 0;
	int status, fd;
	char path[64];
	long long rss;
	size_t i;

	for (i = 0; i < NR_KINDS; i++) {
		range[i] = (struct nvwa_range){ (uintptr_t)kind_at(i), kinds[i].pages * PAGE };
		want += kinds[i].want;
	}
	fflush(stdout);
	c.pid = fork();
	if (c.pid == 0)
		kinds_run();
	stop_wait(c.pid);
	snprintf(path, sizeof(path), "/proc/%d/status", c.pid);
	rss = proc_kib(path, "VmRSS");
	fd = keeper_open();
	if (begin(fd, &scratch, &header))
		bail("BEGIN");
	same(keeper_call(fd, NVWA_IOC_CAPTURE, &c), 0, "memory of all kinds");
	same(c.nr_pinned + c.nr_evacuated + c.nr_unshared, want,
	     "all of it but the zeroes is taken");
	same(proc_kib(path, "VmRSS"), rss, "its memory is neither more nor less than before");
	close(fd);
	kill(c.pid, SIGCONT);
	stop_wait(c.pid);
	ok(true, "the process finds its memory as it was");
	kill(c.pid, SIGCONT);
	if (waitpid(c.pid, &status, WUNTRACED) == c.pid && WIFSTOPPED(status)) {
		fd = keeper_open();
		if (begin(fd, &scratch, &header))
			bail("BEGIN");
		same(keeper_call(fd, NVWA_IOC_CAPTURE, &c), -EFAULT, "a guard is no memory");
		close(fd);
		kill(c.pid, SIGCONT);
		same(end_wait(c.pid), 0, "the process goes on");
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("# a guard: this kernel has no such thing\n");
	} else {
		ok(false, "a guard: the process ended with status %#x", status);
	}
}

int test_held(void)
{
	test_kinds();
	test_one(PLAIN, "ordinary pages", 0);
	test_one(PINNED, "a page pinned for DMA", -EBUSY);
	test_one(PIPED, "a page in a pipe", 0);
	test_one(SWAPPED, "pages in the swap space", 0);
	test_one(MERGED, "merged pages", 0);
	write_text("/sys/kernel/mm/ksm/run", "2");
	write_text("/sys/kernel/mm/ksm/run", "0");
	test_one(POISONED, "a page with a memory error", -EIO);
	test_aio();
	same(tainted(), 0, "the kernel is not tainted");
	return done();
}
