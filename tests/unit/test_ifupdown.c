// SPDX-License-Identifier: GPL-2.0-only
/* What ifupdown's units do in the first boot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/apps/ifupdown.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

#define PACKAGE	"/usr/lib/systemd/system/"
#define OWNER	"/etc/systemd/system/"

static char *const root = temp_dir;

static void put(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", root, name);
	assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
}

/* What is generated for a unit, or NULL. */
static char *dropin(const char *unit)
{
	char early[64], path[128], *text = NULL;

	snprintf(early, sizeof(early), "%s/early", root);
	assert_int_equal(tree_remove(early), 0);
	assert_int_equal(ifupdown_generate(root, early), 0);
	snprintf(path, sizeof(path), "%s/%s.d/nvwa.conf", early, unit);
	file_read(path, &text, NULL);
	return text;
}

/* As in Debian 12 and 13. */
static void test_packages(void **state)
{
	_cleanup_free_ char *all = NULL, *one = NULL;

	(void)state;
	put(PACKAGE "networking.service", "[Unit]\nDescription=x\n[Service]\nType=oneshot\n"
	    "ExecStart=/usr/sbin/ifup -a --read-environment\n"
	    "ExecStart=-/bin/sh -c 'if [ -f /run/network/restart-hotplug ]; then "
	    "/usr/sbin/ifup -a --read-environment --allow=hotplug; fi'\n"
	    "ExecStop=/usr/sbin/ifdown -a --read-environment --exclude=lo\n");
	put(PACKAGE "ifup@.service", "[Service]\n"
	    "ExecStart=/bin/sh -ec 'ifup --allow=hotplug %I; ifquery --state %I'\n"
	    "ExecStop=/sbin/ifdown %I\n");
	all = dropin("networking.service");
	assert_string_equal(all, "[Service]\nExecStart=\n"
			    "ExecStart=/usr/sbin/ifup --ignore-errors -a --read-environment\n"
			    "ExecStart=-/bin/sh -c 'if [ -f /run/network/restart-hotplug ]; then "
			    "/usr/sbin/ifup --ignore-errors -a --read-environment "
			    "--allow=hotplug; fi'\n");
	one = dropin("ifup@.service");
	assert_string_equal(one, "[Service]\nExecStart=\nExecStart=/bin/sh -ec "
			    "'ifup --ignore-errors --allow=hotplug %I; ifquery --state %I'\n");
}

static void test_others(void **state)
{
	(void)state;
	put(PACKAGE "networking.service", "[Service]\nExecStart=/usr/sbin/ifup \\\n -a\n");
	assert_null(dropin("networking.service"));
	put(PACKAGE "networking.service", "[Service]\nExecStart=/usr/sbin/ifreload -a\n");
	assert_null(dropin("networking.service"));
	put(PACKAGE "networking.service", "[Service]\nExecStart=/usr/sbin/ifup -a\n");
	put(OWNER "networking.service.d/own.conf", "[Service]\nExecStart=/usr/bin/true\n");
	assert_null(dropin("networking.service"));
	put(PACKAGE "ifup@.service", "[Service]\nExecStart=/usr/sbin/ifup -a %I\n");
	put(OWNER "ifup@.service", "[Service]\nExecStart=/usr/bin/true\n");
	assert_null(dropin("ifup@.service"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packages),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests_name("ifupdown", tests, make_temp_dir, remove_temp_dir);
}
