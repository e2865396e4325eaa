// SPDX-License-Identifier: GPL-2.0-only
/* What systemd is told of services that run when it starts, and how descriptors reach it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/takeover.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/pass-fd.h"

static char dir[] = "/tmp/nvwa-test-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(dir);
}

static char *written(const struct takeover *t)
{
	char path[128], *text;

	snprintf(path, sizeof(path), "%s/state", dir);
	assert_int_equal(takeover_write(t, path), 0);
	assert_int_equal(file_read(path, &text, NULL), 0);
	return text;
}

static void put(const char *name, const char *unit)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/" TAKEOVER_DIR "/unit", dir, name);
	assert_int_equal(file_write(path, unit, strlen(unit), 0600), 0);
}

static int add(struct takeover *t, const char *name, struct stand_in *stand_in)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return takeover_add_service(t, path, name, "/system.slice/a\\x2db.service", stand_in);
}

/* Blocks end with an empty line each, the first of which is systemd's own. */
static void test_text(void **state)
{
	struct stand_in plain = { 0 }, sandboxed = { .nr_filters = 1 };
	_cleanup_free_ char *text = NULL;
	struct takeover t = { 0 };
	char *at, *end;

	(void)state;
	put("a.service", "state=running\nmain-pid=12\n");
	put("b.service", "state=running\nmain-pid=13\n");
	strcpy(sandboxed.tmp.tmp, "/tmp/p");
	strcpy(sandboxed.tmp.var_tmp, "/var/tmp/p");
	sandboxed.filters = malloc(sizeof(int));
	sandboxed.filters[0] = open("/dev/null", O_RDONLY);
	assert_int_equal(takeover_add_stream(&t, open("/dev/null", O_RDONLY)), 0);
	assert_int_equal(add(&t, "a.service", &plain), 0);
	assert_int_equal(add(&t, "b.service", &sandboxed), 0);
	assert_int_equal(add(&t, "c.service", &plain), -ENOENT);
	assert_int_equal(sandboxed.nr_filters, 0);
	assert_int_equal(t.nr_fds, 2);
	free(sandboxed.filters);

	text = written(&t);
	at = strstr(text, "\n\n");
	assert_non_null(at);
	*at = '\0';
	assert_string_equal(text, "exec-runtime=b.service tmp-dir=/tmp/p var-tmp-dir=/var/tmp/p");
	at += 2;
	end = strstr(at, "watchdog-timestamp=");
	assert_non_null(end);
	assert_memory_equal(at, "a.service\nstate=running\nmain-pid=12\n", end - at);
	at = strstr(end, "\n\n") + 2;
	assert_memory_equal(at, "b.service\n", 10);
	assert_non_null(strstr(at, "\nbpf-device-control-installed=101 device "
			       "/sys/fs/cgroup/system.slice/a\\x5cx2db.service\n\n"
			       "systemd-journald.service\nfd-store-fd=100 \"stored\" 1\n\n"));
	takeover_free(&t);
}

static void test_nothing(void **state)
{
	struct takeover t = { 0 };
	_cleanup_free_ char *text = written(&t);

	(void)state;
	assert_string_equal(text, "\n");
	takeover_free(&t);
}

static void test_pass(void **state)
{
	struct stat sent, taken;
	int ends[2], fd, null;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(take_fd(ends[0]), -EAGAIN);
	null = open("/dev/null", O_RDONLY);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pass_fd(ends[1], null), 0);
	close(ends[1]);
	for (int i = 0; i < 3; i++) {
		fd = take_fd(ends[0]);
		assert_true(fd >= 0 && fd != null);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fstat(fd, &taken), 0);
		assert_int_equal(fstat(null, &sent), 0);
		assert_true(sent.st_rdev == taken.st_rdev);
		close(fd);
	}
	assert_int_equal(take_fd(ends[0]), -ENOTCONN);
	assert_int_equal(pass_fd(null, null), -ENOTSOCK);
	close(ends[0]);
	close(null);
}

/* A byte without a descriptor. */
static void test_pass_nothing(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(send(ends[1], "x", 1, 0), 1);
	assert_int_equal(take_fd(ends[0]), -EBADMSG);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_pass),
		cmocka_unit_test(test_pass_nothing),
	};

	return cmocka_run_group_tests_name("takeover", tests, setup, teardown);
}
