// SPDX-License-Identifier: GPL-2.0-only
/* Which network links are renamed after an update. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/net/links.h"
#include "tests/unit/temp-dir.h"

static char *const dir = temp_dir;

static void make_link(const char *name, const char *address, bool device)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/address", dir, name);
	assert_int_equal(file_write(path, address, strlen(address), 0644), 0);
	snprintf(path, sizeof(path), "%s/%s/device", dir, name);
	if (device)
		assert_int_equal(dir_make(path), 0);
}

static int setup(void **state)
{
	if (make_temp_dir(state))
		return -1;
	make_link("lo", "00:00:00:00:00:00\n", false);
	make_link("eth0", "52:54:00:00:00:01\n", true);
	make_link("eth1", "52:54:00:00:00:02\n", true);
	make_link("eth2", "52:54:00:00:00:0c\n", true);
	make_link("eth3", "52:54:00:00:00:0c\n", true);
	make_link("br0", "52:54:00:00:00:02\n", false);
	return 0;
}

/* The plan as "from>to from>to". */
static void plan_is(const char *text, const char *wanted)
{
	_cleanup_free_ struct link_rename *plan = NULL;
	char got[256] = "";
	size_t nr, len = 0;

	assert_int_equal(links_plan(text, dir, &plan, &nr), 0);
	for (size_t i = 0; i < nr; i++)
		len += snprintf(got + len, sizeof(got) - len, "%s%s>%s", i ? " " : "",
				plan[i].from, plan[i].to);
	assert_string_equal(got, wanted);
}

static void test_renamed(void **state)
{
	(void)state;
	plan_is("", "");
	plan_is("eth0 52:54:00:00:00:01\n", "");
	plan_is("enp0s2 52:54:00:00:00:01\neth1 52:54:00:00:00:02\n", "eth0>enp0s2");
	plan_is("lan 52:54:00:00:00:02\n", "eth1>lan");
	/* sysfs and ip(8) write small letters; people need not. */
	plan_is("lan 52:54:00:00:00:02", "eth1>lan");
	plan_is("eth1 52:54:00:00:00:01\neth0 52:54:00:00:00:02\n", "eth0>eth1 eth1>eth0");
}

static void test_left_alone(void **state)
{
	(void)state;
	/* No address, one that nothing has, one that two have, one that is no device's. */
	plan_is("wan\n", "");
	plan_is("wan 52:54:00:00:00:09\n", "");
	plan_is("wan 52:54:00:00:00:0C\n", "");
	plan_is("dummy0 00:00:00:00:00:00\n", "");
}

static void test_odd_lines(void **state)
{
	char line[] = "enp0s2 52:54:00:00:00:01", bare[] = "enp0s2", none[] = "";

	(void)state;
	assert_string_equal(links_name(line), "enp0s2");
	assert_string_equal(links_name(bare), "enp0s2");
	assert_string_equal(links_name(none), "");
	/* Longer than a name can be. */
	plan_is("a-name-of-many-letters 52:54:00:00:00:01\n", "");
	plan_is("\n\n \nlan 52:54:00:00:00:02\n", "eth1>lan");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_odd_lines),
	};

	return cmocka_run_group_tests_name("links", tests, setup, remove_temp_dir);
}
