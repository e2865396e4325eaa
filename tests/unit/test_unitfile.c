// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of a service's unit file in its stand-in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/apps/unitfile.h"

static char *text;

static const char *transform(const char *a, const char *b)
{
	const char *const sources[] = { a, b };

	free(text);
	text = NULL;
	assert_int_equal(unitfile_transform(sources, b ? 2 : 1, &text), 0);
	return text;
}

static bool has_line(const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, line, len) && (at[len] == '\n' || !at[len]))
			return true;
		if (!*at)
			break;
	}

	return false;
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void test_keep_and_drop(void **state)
{
	(void)state;
	transform("[Unit]\nDescription=A store\nAfter=network.target x.service\nWants=y.service\n"
		  "ConditionPathExists=/nothing\nRequiresMountsFor=/srv\n"
		  "[Service]\nType=forking\nPIDFile=/run/x.pid\nExecStartPre=/bin/true\n"
		  "ExecStart=/usr/bin/store --now\nExecReload=/bin/kill -HUP $MAINPID\n"
		  "Restart=always\nRestartSec=3\nWatchdogSec=10\nUser=store\nPrivateTmp=yes\n"
		  "RuntimeDirectory=store\nTimeoutStopSec=0\n"
		  "[Install]\nWantedBy=multi-user.target\nAlias=s.service\n", NULL);
	assert_true(has_line("Description=A store"));
	assert_true(has_line("RequiresMountsFor=/srv"));
	assert_true(has_line("User=store"));
	assert_true(has_line("PrivateTmp=yes"));
	assert_true(has_line("RuntimeDirectory=store"));
	assert_true(has_line("TimeoutStopSec=0"));
	assert_true(has_line("ExecReload=/bin/kill -HUP $MAINPID"));
	assert_null(strstr(text, "network.target"));
	assert_null(strstr(text, "y.service"));
	assert_null(strstr(text, "Condition"));
	assert_null(strstr(text, "forking"));
	assert_null(strstr(text, "PIDFile"));
	assert_null(strstr(text, "/bin/true"));
	assert_null(strstr(text, "--now"));
	assert_null(strstr(text, "RestartSec"));
	assert_null(strstr(text, "Watchdog"));
	assert_null(strstr(text, "WantedBy"));
	assert_null(strstr(text, "Alias"));
}

static void test_additions(void **state)
{
	(void)state;
	transform("[Service]\nExecStart=-/usr/sbin/daemon -x\n", NULL);
	assert_true(has_line("Type=exec"));
	assert_true(has_line("Restart=no"));
	assert_true(has_line("DefaultDependencies=no"));
	assert_non_null(strstr(text, "\nExecStart=/"));
	assert_non_null(strstr(text, "nvwa-placeholder\n"));
	assert_non_null(strstr(text, "nvwa resume --unit %n\n"));
	/* The journal knows it by the name of its program. */
	assert_true(has_line("SyslogIdentifier=daemon"));
	assert_null(strstr(text, "ExecPaths"));
}

static void test_own_identifier(void **state)
{
	(void)state;
	transform("[Service]\nSyslogIdentifier=mine\nExecStart=/usr/sbin/daemon\n", NULL);
	assert_true(has_line("SyslogIdentifier=mine"));
	assert_false(has_line("SyslogIdentifier=daemon"));
}

/* The last one in force names the program, and a reset is none. */
static void test_several_programs(void **state)
{
	(void)state;
	transform("[Service]\nExecStart=/usr/bin/first\n",
		  "[Service]\nExecStart=\nExecStart=@+/opt/x/second second -v\n");
	assert_true(has_line("SyslogIdentifier=second"));
	assert_null(strstr(text, "/usr/bin/first"));
}

static void test_dropin_order(void **state)
{
	const char *first, *second;

	(void)state;
	transform("[Service]\nCapabilityBoundingSet=CAP_CHOWN\n[Unit]\nDescription=a\n",
		  "[Service]\nCapabilityBoundingSet=\n[Unit]\nDescription=b\nAfter=z.service\n");
	first = strstr(text, "CapabilityBoundingSet=CAP_CHOWN\n");
	second = strstr(text, "CapabilityBoundingSet=\n");
	assert_non_null(first);
	assert_non_null(second);
	assert_true(first < second);
	assert_null(strstr(text, "z.service"));
}

static void test_continued_lines(void **state)
{
	(void)state;
	transform("[Service]\n"
		  "ExecStart=/usr/bin/x \\\n  --one \\\n# a remark\n  --two\n"
		  "Environment=A=1 \\\n; another\n  B=2\n"
		  "  User=x\n"
		  "Group=y\\\n", "[Service]\nNice=3\n");
	assert_null(strstr(text, "--one"));
	assert_null(strstr(text, "--two"));
	assert_null(strstr(text, "remark"));
	assert_non_null(strstr(text, "Environment=A=1 \\\n  B=2\n"));
	assert_true(has_line("User=x"));
	/* What follows a backslash at the end of a file is not part of its last line. */
	assert_non_null(strstr(text, "Group=y\\\n\n"));
	assert_true(has_line("Nice=3"));
}

static void test_exec_paths(void **state)
{
	(void)state;
	transform("[Service]\nExecStart=/usr/bin/x\nNoExecPaths=/\nExecPaths=/usr/bin/x /usr/lib\n",
		  NULL);
	assert_null(strstr(text, "ExecPaths=/usr/lib/nvwa"));
	transform("[Service]\nExecStart=/usr/bin/x\nNoExecPaths=/\nExecPaths=-/usr/bin/x\n", NULL);
	assert_non_null(strstr(text, "\nExecPaths=/usr/lib/nvwa/nvwa-placeholder\n"));
	transform("[Service]\nExecStart=/usr/bin/x\nNoExecPaths=/\nExecPaths=/usr/li\n", NULL);
	assert_non_null(strstr(text, "\nExecPaths=/usr/lib/nvwa/nvwa-placeholder\n"));
	transform("[Service]\nExecStart=/usr/bin/x\nNoExecPaths=/\nNoExecPaths=\n", NULL);
	assert_null(strstr(text, "ExecPaths=/usr/lib/nvwa"));
}

static void test_odd_input(void **state)
{
	(void)state;
	transform("", NULL);
	transform("no section\nkey=value\n[Service]\nno equals sign\n=x\n\\\n", NULL);
	assert_null(strstr(text, "key=value"));
	assert_null(strstr(text, "no equals"));
	transform("[Service]\r\nUser=dos\r\n", NULL);
	assert_true(has_line("User=dos"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_and_drop),
		cmocka_unit_test(test_additions),
		cmocka_unit_test(test_own_identifier),
		cmocka_unit_test(test_several_programs),
		cmocka_unit_test(test_dropin_order),
		cmocka_unit_test(test_continued_lines),
		cmocka_unit_test(test_exec_paths),
		cmocka_unit_test(test_odd_input),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
