// SPDX-License-Identifier: GPL-2.0-only
/* What /proc tells of the clocks of a process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/proc.h"

static void test_parse_clocks(void **state)
{
	struct proc_clocks clocks;

	(void)state;
	assert_int_equal(proc_parse_clocks("monotonic         110 753878349\n"
					   "boottime          -21 250000000\n", &clocks), 0);
	assert_int_equal(clocks.monotonic, 110753878349LL);
	assert_int_equal(clocks.boottime, -20750000000LL);
	assert_int_equal(proc_parse_clocks("", &clocks), -EINVAL);
	assert_int_equal(proc_parse_clocks("monotonic 1 2\n", &clocks), -EINVAL);
	assert_int_equal(proc_parse_clocks("realtime 1 2\nboottime 1 2\n", &clocks), -EINVAL);
}

static void test_own_clocks(void **state)
{
	struct proc_clocks ours, same;

	(void)state;
	assert_int_equal(proc_clocks(0, &ours), 0);
	assert_int_equal(proc_clocks(getpid(), &same), 0);
	assert_int_equal(ours.monotonic, same.monotonic);
	assert_int_equal(ours.boottime, same.boottime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_clocks),
		cmocka_unit_test(test_own_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
