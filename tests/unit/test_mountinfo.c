// SPDX-License-Identifier: GPL-2.0-only
/* Taking apart the mounts of a process, and plans of sandboxes. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/mountinfo.h"
#include "lib/apps/sandbox.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

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

/* In a mount namespace of its own, and with another root directory. */
static pid_t start_confined(void)
{
	int pipe_fds[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWNS) || chroot("/tmp"))
			_exit(EXIT_FAILURE);
		if (write(pipe_fds[1], "", 1) == 1)
			pause();
		_exit(EXIT_FAILURE);
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &byte, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = 0;
	}
	close(pipe_fds[0]);

	return pid;
}

static void test_chroot(void **state)
{
	_cleanup_free_ char *sees = NULL, *has = NULL;
	struct mountinfos ours, theirs;
	char path[64];
	pid_t pid;

	(void)state;
	pid = start_confined();
	if (!pid)
		skip();		/* not root */
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	assert_int_equal(file_read(path, &sees, NULL), 0);
	assert_int_equal(mountinfo_text(pid, &has), 0);
	assert_int_equal(mountinfo_read(pid, &theirs), 0);
	assert_int_equal(mountinfo_read(getpid(), &ours), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	assert_true(strlen(sees) < strlen(has));
	assert_int_equal(theirs.nr, ours.nr);
	assert_string_equal(mountinfo_of_path(&theirs, "/proc")->type, "proc");
	mountinfo_free(&theirs);
	mountinfo_free(&ours);
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
		cmocka_unit_test(test_chroot),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests_name("mountinfo", tests, NULL, NULL);
}
