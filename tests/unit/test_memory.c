// SPDX-License-Identifier: GPL-2.0-only
/* Which pages a process has of its own, tried on this very process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/apps/memory.h"

#define PAGE	NVWA_PAGE_SIZE

#ifndef MADV_GUARD_INSTALL	/* Linux 6.13 */
#define MADV_GUARD_INSTALL	102
#endif

static void test_append(void **state)
{
	struct nvwa_range *list = NULL;
	size_t nr = 0;

	(void)state;
	assert_int_equal(ranges_append(&list, &nr, 0x1000, 0x1000), 0);
	assert_int_equal(ranges_append(&list, &nr, 0x2000, 0x3000), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(list[0].len, 0x4000);
	assert_int_equal(ranges_append(&list, &nr, 0x4000, 0x1000), -EBADMSG);
	for (uint64_t i = 1; i < 100; i++)
		assert_int_equal(ranges_append(&list, &nr, i << 16, PAGE), 0);
	assert_int_equal(nr, 100);
	assert_int_equal(list[99].start, 99 << 16);
	free(list);
}

static void subtract(const struct nvwa_range *from, size_t nr_from, const struct nvwa_range *what,
		     size_t nr_what, const struct nvwa_range *left, size_t nr_left)
{
	struct nvwa_range *list = NULL;
	size_t nr = 0;

	for (size_t i = 0; i < nr_from; i++)
		assert_int_equal(ranges_append(&list, &nr, from[i].start, from[i].len), 0);
	assert_int_equal(ranges_subtract(&list, &nr, what, nr_what), 0);
	assert_int_equal(nr, nr_left);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(list[i].start, left[i].start);
		assert_int_equal(list[i].len, left[i].len);
	}
	free(list);
}

static void test_subtract(void **state)
{
	const struct nvwa_range from[] = { { 0x1000, 0x9000 }, { 0x10000, 0x1000 } };
	const struct nvwa_range holes[] = {
		{ 0x0, 0x2000 }, { 0x4000, 0x1000 }, { 0x6000, 0x1000 }, { 0x9000, 0x8000 },
	};
	const struct nvwa_range left[] = {
		{ 0x2000, 0x2000 }, { 0x5000, 0x1000 }, { 0x7000, 0x2000 },
	};
	const struct nvwa_range beside[] = { { 0x0, 0x1000 }, { 0xa000, 0x6000 } };
	const struct nvwa_range all[] = { { 0x0, 0x100000 } };

	(void)state;
	subtract(from, 2, holes, 4, left, 3);
	subtract(from, 2, beside, 2, from, 2);
	subtract(from, 2, all, 1, NULL, 0);
	subtract(from, 2, NULL, 0, from, 2);
	subtract(NULL, 0, all, 1, NULL, 0);
}

static bool has(const struct nvwa_range *ranges, size_t nr, const char *page)
{
	for (size_t i = 0; i < nr; i++) {
		if ((uintptr_t)page >= ranges[i].start &&
		    (uintptr_t)page < ranges[i].start + ranges[i].len)
			return true;
	}
	return false;
}

static char *map(size_t pages, int flags)
{
	char *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(madvise(mem, pages * PAGE, MADV_NOHUGEPAGE), 0);
	return mem;
}

static void test_own(void **state)
{
	/* A large reservation; a written, a read, an untouched and a PROT_NONE page in it. */
	const size_t pages = (64UL << 30) / PAGE;
	char *big = map(pages, MAP_PRIVATE | MAP_NORESERVE), *shared = map(1, MAP_SHARED);
	struct nvwa_range *ranges;
	size_t nr;

	(void)state;
	big[100 * PAGE] = 1;
	(void)*(volatile char *)&big[102 * PAGE];
	big[(pages - 1) * PAGE] = 1;
	big[200 * PAGE] = 1;
	assert_int_equal(mprotect(big + 200 * PAGE, PAGE, PROT_NONE), 0);
	shared[0] = 1;

	assert_int_equal(memory_own(getpid(), &ranges, &nr, NULL, NULL), 0);
	assert_true(has(ranges, nr, big + 100 * PAGE));
	assert_false(has(ranges, nr, big + 101 * PAGE));
	assert_false(has(ranges, nr, big + 102 * PAGE));
	assert_true(has(ranges, nr, big + 200 * PAGE));
	assert_true(has(ranges, nr, big + (pages - 1) * PAGE));
	assert_false(has(ranges, nr, shared));
	assert_true(has(ranges, nr, (char *)&big));	/* the stack */

	free(ranges);
	munmap(shared, PAGE);
	munmap(big, pages * PAGE);
}

/* Guards are told apart from pages, where this kernel has them and shows them. */
static void test_guards(void **state)
{
	char *mem = map(8, MAP_PRIVATE);
	struct nvwa_range *ranges, *guards;
	size_t nr, nr_guards;
	struct utsname uts;
	int major = 0, minor = 0;

	(void)state;
	uname(&uts);
	sscanf(uts.release, "%d.%d", &major, &minor);
	memset(mem, 1, 8 * PAGE);
	if (madvise(mem + 2 * PAGE, 3 * PAGE, MADV_GUARD_INSTALL) == 0)
		assert_true(major * 1000 + minor >= 6013);
	else
		assert_true(major * 1000 + minor < 6013);
	assert_int_equal(memory_own(getpid(), &ranges, &nr, &guards, &nr_guards), 0);
	assert_true(has(ranges, nr, mem + PAGE));
	assert_true(has(ranges, nr, mem + 5 * PAGE));
	if (major * 1000 + minor >= 6016) {
		assert_false(has(ranges, nr, mem + 2 * PAGE));
		assert_true(has(guards, nr_guards, mem + 2 * PAGE));
		assert_true(has(guards, nr_guards, mem + 4 * PAGE));
		assert_false(has(guards, nr_guards, mem + 5 * PAGE));
	} else {
		assert_int_equal(nr_guards, 0);
	}
	free(ranges);
	free(guards);
	munmap(mem, 8 * PAGE);
}

/* More runs than the kernel reports in one step, in one area. */
static void test_many(void **state)
{
	const size_t pages = 1UL << 16;
	char *mem = map(pages, MAP_PRIVATE);
	struct nvwa_range *ranges;
	size_t nr, found = 0;

	(void)state;
	for (size_t i = 0; i < pages; i += 2)
		mem[i * PAGE] = 1;
	assert_int_equal(memory_own(getpid(), &ranges, &nr, NULL, NULL), 0);
	for (size_t i = 0; i < nr; i++) {
		if (ranges[i].start >= (uintptr_t)mem &&
		    ranges[i].start < (uintptr_t)(mem + pages * PAGE))
			found += ranges[i].len / PAGE;
	}
	assert_int_equal(found, pages / 2);
	free(ranges);
	munmap(mem, pages * PAGE);
}

/* A zombie has no memory, as little as one that is gone. */
static void test_ended(void **state)
{
	struct nvwa_range *ranges = NULL;
	siginfo_t info;
	size_t nr = 0;
	pid_t pid = fork();
	int r;

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	r = memory_own(pid, &ranges, &nr, NULL, NULL);
	assert_true(r == -ESRCH || !r);
	assert_int_equal(nr, 0);
	waitpid(pid, NULL, 0);
	assert_int_equal(memory_own(pid, &ranges, &nr, NULL, NULL), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_subtract),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_guards),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
