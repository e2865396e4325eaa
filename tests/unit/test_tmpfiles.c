// SPDX-License-Identifier: GPL-2.0-only
/* What systemd-tmpfiles is told for the first boot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/proc.h"
#include "lib/apps/tmpfiles.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

#define OLD	"0123456789abcdef0123456789abcdef"
#define OLDER	"fedcba9876543210fedcba9876543210"

static char *const root = temp_dir;
static char run[64];

static int setup(void **state)
{
	if (make_temp_dir(state))
		return -1;
	snprintf(run, sizeof(run), "%s/run", root);
	return 0;
}

static void make_dir(const char *fmt, const char *id)
{
	char name[256], path[400];

	snprintf(name, sizeof(name), fmt, id);
	snprintf(path, sizeof(path), "%s%s", root, name);
	assert_int_equal(dir_make(path), 0);
}

static char *kept(const char *name)
{
	char path[128], *text = NULL;

	snprintf(path, sizeof(path), "%s/%s", run, name);
	file_read(path, &text, NULL);
	return text;
}

/* Where systemd has no such file nothing removes the directories. */
static void test_without(void **state)
{
	_cleanup_free_ char *tmp = NULL, *private = NULL;

	(void)state;
	assert_int_equal(tmpfiles_keep(root, run), 0);
	tmp = kept("00-nvwa.conf");
	private = kept("systemd-tmp.conf");
	assert_string_equal(tmp, "d /tmp 1777 root root 3649d\n");
	assert_null(private);
}

static void test_private(void **state)
{
	static const char usual[] = "# comment\n\nx /tmp/systemd-private-%b-*\n"
		"R! /tmp/systemd-private-*\nR!  /var/tmp/systemd-private-*\n"
		"R! /tmp/others\nr! /var/lib/systemd/coredump/.#*\n";
	_cleanup_free_ char *private = NULL, *tmp = NULL, *gone = NULL;
	char path[128], id[40];

	(void)state;
	snprintf(path, sizeof(path), "%s/usr/lib/tmpfiles.d/systemd-tmp.conf", root);
	assert_int_equal(file_write(path, usual, strlen(usual), 0644), 0);
	assert_int_equal(proc_boot_id(id, sizeof(id)), 0);
	make_dir("/tmp/systemd-private-%s-a.service-AAAAAA", OLD);
	make_dir("/tmp/systemd-private-%s-b\\x2db.service-BBBBBB", OLD);
	make_dir("/tmp/systemd-private-%s-a.service-CCCCCC", id);
	make_dir("/tmp/systemd-private-%s", "of-somebody-else");
	make_dir("/var/tmp/systemd-private-%s-a.service-DDDDDD", OLDER);
	assert_int_equal(tmpfiles_keep(root, run), 0);
	private = kept("systemd-tmp.conf");
	assert_string_equal(private, "x /tmp/systemd-private-%b-*\nR! /tmp/others\n"
			    "r! /var/lib/systemd/coredump/.#*\n"
			    "R! /tmp/systemd-private-" OLD "-*\n"
			    "R! /var/tmp/systemd-private-" OLDER "-*\n");

	tmpfiles_forget(run);
	tmp = kept("00-nvwa.conf");
	gone = kept("systemd-tmp.conf");
	assert_null(tmp);
	assert_null(gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests_name("tmpfiles", tests, setup, remove_temp_dir);
}
