// SPDX-License-Identifier: GPL-2.0-only
/* Taking apart the mounts of a process, and plans of sandboxes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/mountinfo.h"
#include "lib/apps/sandbox.h"
#include "lib/base/cleanup.h"

static const char text[] =
	"29 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n"
	"28 29 0:25 / /run rw,nosuid shared:5 master:2 - tmpfs tmpfs rw,size=1k,mode=755\n"
	"41 29 0:33 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw\n"
	"42 29 0:33 /private/tmp /tmp rw master:18 propagate_from:3 - tmpfs tmpfs rw\n"
	"43 29 254:0 /my\\040data /srv/my\\040data\\134x ro unbindable - ext4 /dev/vda rw\n";

static void test_parse(void **state)
{
	struct mountinfos m;

	(void)state;
	assert_int_equal(mountinfo_parse(text, &m), 0);
	assert_int_equal(m.nr, 5);
	assert_int_equal(m.list[1].id, 28);
	assert_int_equal(m.list[1].parent, 29);
	assert_true(m.list[1].dev == makedev(0, 25));
	assert_string_equal(m.list[1].options, "rw,nosuid");
	assert_string_equal(m.list[1].type, "tmpfs");
	assert_string_equal(m.list[1].data, "rw,size=1k,mode=755");
	assert_true(m.list[0].is_shared && !m.list[0].is_slave);
	assert_true(m.list[1].is_shared && m.list[1].is_slave);
	assert_true(!m.list[2].is_shared && !m.list[2].is_slave);
	assert_true(!m.list[3].is_shared && m.list[3].is_slave);
	assert_string_equal(m.list[4].root, "/my data");
	assert_string_equal(m.list[4].dir, "/srv/my data\\x");
	mountinfo_free(&m);
}

static void test_damaged(void **state)
{
	static const char *const bad[] = {
		"29 1 254:0 / / rw,noatime shared:1\n", "29 1 254:0\n", "x\n",
		"29 1 254:0 / / rw - ext4\n", "29 1 254:0 / / rw - ext4 /dev/vda\n",
	};
	struct mountinfos m;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mountinfo_parse(bad[i], &m), -EBADMSG);
	assert_int_equal(mountinfo_parse("", &m), 0);
	assert_null(mountinfo_of_path(&m, "/"));
	mountinfo_free(&m);
}

static void test_of_path(void **state)
{
	struct mountinfos m;

	(void)state;
	assert_int_equal(mountinfo_parse(text, &m), 0);
	assert_int_equal(mountinfo_of_path(&m, "/")->id, 29);
	assert_int_equal(mountinfo_of_path(&m, "/runtime")->id, 29);
	assert_int_equal(mountinfo_of_path(&m, "/run")->id, 28);
	assert_int_equal(mountinfo_of_path(&m, "/run/x/y")->id, 28);
	/* The last one is on top. */
	assert_int_equal(mountinfo_of_path(&m, "/tmp/x")->id, 42);
	mountinfo_free(&m);
}

static void test_escape(void **state)
{
	static const char name[] = "/a b\t\\040\n";
	_cleanup_free_ char *escaped = mountinfo_escape(name);

	(void)state;
	assert_string_equal(escaped, "/a\\040b\\011\\134040\\012");
	mountinfo_unescape(escaped);
	assert_string_equal(escaped, name);
}

static void test_plan(void **state)
{
	static const char *const bad[] = {
		"bind ro slave ext4 /\n", "bind ro slave ext4 / / /\n", "move / /\n", "uts now\n",
		"tmp rw slave /tmp /tmp\n", "node 40755 0 0 0 /run/x\n",
	};
	struct sandbox_tmp names;

	(void)state;
	assert_int_equal(sandbox_tmp_names("uts\nbind ro,nosuid slave ext4 / /\n"
					   "tmp rw slave /tmp AbCdEf /tmp\n"
					   "tmp rw shared,slave /var/tmp GhIjKl /var/tmp\n",
					   "a.service", &names), 0);
	assert_memory_equal(names.tmp, "/tmp/systemd-private-", 21);
	assert_non_null(strstr(names.tmp, "-a.service-AbCdEf"));
	assert_memory_equal(names.var_tmp, "/var/tmp/systemd-private-", 25);
	assert_non_null(strstr(names.var_tmp, "-a.service-GhIjKl"));
	/* The boot's id has no dashes there. */
	assert_int_equal(strlen(names.tmp), 21 + 32 + strlen("-a.service-AbCdEf"));
	assert_int_equal(sandbox_tmp_names("", "a.service", &names), 0);
	assert_string_equal(names.tmp, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sandbox_tmp_names(bad[i], "a.service", &names), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_of_path),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests_name("mountinfo", tests, NULL, NULL);
}
