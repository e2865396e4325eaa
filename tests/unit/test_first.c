// SPDX-License-Identifier: GPL-2.0-only
/* When the first boot after an update has to wait for udev. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/first.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

static char *const dir = temp_dir;
static char fstab[64], list[64];

static int setup(void **state)
{
	if (make_temp_dir(state))
		return -1;
	snprintf(fstab, sizeof(fstab), "%s/fstab", dir);
	snprintf(list, sizeof(list), "%s/links", dir);
	return 0;
}

static bool needed(const char *mounts, const char *links)
{
	assert_int_equal(file_write(fstab, mounts, strlen(mounts), 0644), 0);
	assert_int_equal(file_write(list, links, strlen(links), 0644), 0);
	return first_needs_devices(fstab, list, "/sys/class/net");
}

static void test_mounts(void **state)
{
	(void)state;
	assert_false(needed("", ""));
	assert_false(needed("UUID=1234 / ext4 defaults 0 1\n"
			    "/dev/vdb none swap sw 0 0\n"
			    "tmpfs /tmp tmpfs size=1G 0 0\n", ""));
	assert_true(needed("/dev/vda / ext4 rw 0 1\n/dev/vdb1 /srv xfs rw 0 2\n", ""));
	assert_true(needed("/dev/vda / ext4 rw 0 1\nLABEL=home /home ext4 rw 0 2\n", ""));
}

static void test_links(void **state)
{
	(void)state;
	assert_false(needed("/dev/vda / ext4 rw 0 1\n", "lo\n"));
	assert_true(needed("/dev/vda / ext4 rw 0 1\n", "lo\nenp77s77\n"));
}

static void test_another_target(void **state)
{
	(void)state;
	assert_false(first_applies("root=/dev/vda systemd.unit=multi-user.target quiet\n"));
	assert_false(first_applies("root=/dev/vda rescue\n"));
	assert_false(first_applies("single root=/dev/vda"));
	assert_false(first_applies("root=/dev/vda 3"));
}

static void test_nothing_there(void **state)
{
	(void)state;
	assert_false(first_needs_devices("/nonexistent/fstab", "/nonexistent/links",
					 "/sys/class/net"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_another_target),
		cmocka_unit_test(test_nothing_there),
	};

	return cmocka_run_group_tests(tests, setup, remove_temp_dir);
}
