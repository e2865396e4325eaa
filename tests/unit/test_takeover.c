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
#include "tests/unit/temp-dir.h"

static char *const dir = temp_dir;

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

static int leave(const struct takeover *t, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return takeover_leave(t, path);
}

/* What systemd is given of these; NULL: it is given nothing. */
static char *written(const char *first, const char *second)
{
	char path[128], one[128], other[128], *text = NULL;
	char *dirs[] = { one, other, NULL };

	snprintf(path, sizeof(path), "%s/state", dir);
	snprintf(one, sizeof(one), "%s/%s", dir, first);
	snprintf(other, sizeof(other), "%s/%s", dir, second);
	unlink(path);
	assert_int_equal(takeover_write(path, dirs), 0);
	file_read(path, &text, NULL);
	return text;
}

/* Blocks end with an empty line each, the first of which is systemd's own. */
static void test_text(void **state)
{
	struct stand_in plain = { 0 }, sandboxed = { .nr_filters = 1 };
	struct takeover a = { .first_fd = 100 }, b = { .first_fd = 116 };
	_cleanup_free_ char *text = NULL;
	int ends[2], fd, number;
	char *at, *end;

	(void)state;
	/* Nothing else is to get that number. */
	fd = open("/dev/null", O_RDONLY);
	assert_true(fd >= 0 && dup2(fd, TAKEOVER_SOCKET) == TAKEOVER_SOCKET);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(dup2(ends[1], TAKEOVER_SOCKET), TAKEOVER_SOCKET);
	if (fd != TAKEOVER_SOCKET)
		close(fd);
	put("a.service", "state=running\nmain-pid=12\n");
	put("b.service", "state=running\nmain-pid=13\n");
	strcpy(sandboxed.tmp.tmp, "/tmp/p");
	strcpy(sandboxed.tmp.var_tmp, "/var/tmp/p");
	sandboxed.filters = malloc(sizeof(int));
	sandboxed.filters[0] = open("/dev/null", O_RDONLY);
	assert_int_equal(add(&a, "a.service", &plain), 0);
	assert_int_equal(add(&b, "b.service", &sandboxed), 0);
	assert_int_equal(sandboxed.nr_filters, 0);
	free(sandboxed.filters);
	assert_int_equal(leave(&a, "a.service"), 0);
	assert_int_equal(leave(&b, "b.service"), 0);
	fd = take_fd(ends[0], &number);
	assert_true(fd >= 0);
	assert_int_equal(number, 116);
	close(fd);
	assert_int_equal(take_fd(ends[0], &number), -EAGAIN);

	text = written("a.service", "b.service");
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
	end = strstr(at, "\nbpf-device");
	assert_non_null(end);
	assert_string_equal(end, "\nbpf-device-control-installed=116 device "
			    "/sys/fs/cgroup/system.slice/a\\x5cx2db.service\n\n");
	takeover_free(&a);
	takeover_free(&b);
	close(TAKEOVER_SOCKET);
	close(ends[0]);
	close(ends[1]);
}

static void test_nothing(void **state)
{
	struct stand_in plain = { 0 };
	struct takeover t = { 0 };

	(void)state;
	assert_null(written("pid-12", "pid-13"));
	assert_int_equal(add(&t, "c.service", &plain), -ENOENT);
	assert_null(t.units);
	takeover_free(&t);
}

/* More filters than a service has numbers for: none of the descriptors is left open. */
static void test_too_many(void **state)
{
	struct stand_in many = { .nr_filters = TAKEOVER_MAX_FDS + 1 };
	struct takeover t = { .first_fd = 100 };

	(void)state;
	put("a.service", "state=running\n");
	many.filters = calloc(many.nr_filters, sizeof(int));
	for (size_t i = 0; i < many.nr_filters; i++)
		many.filters[i] = open("/dev/null", O_RDONLY);
	assert_int_equal(add(&t, "a.service", &many), -E2BIG);
	assert_int_equal(fcntl(many.filters[TAKEOVER_MAX_FDS], F_GETFD), -1);
	assert_int_equal(t.nr_fds, TAKEOVER_MAX_FDS);
	takeover_free(&t);
	assert_int_equal(fcntl(many.filters[0], F_GETFD), -1);
	free(many.filters);
}

static void test_pass(void **state)
{
	struct stat sent, taken;
	int ends[2], fd, null, number;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(take_fd(ends[0], &number), -EAGAIN);
	null = open("/dev/null", O_RDONLY);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pass_fd(ends[1], null, -i), 0);
	close(ends[1]);
	for (int i = 0; i < 3; i++) {
		fd = take_fd(ends[0], &number);
		assert_true(fd >= 0 && fd != null);
		assert_int_equal(number, -i);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fstat(fd, &taken), 0);
		assert_int_equal(fstat(null, &sent), 0);
		assert_true(sent.st_rdev == taken.st_rdev);
		close(fd);
	}
	assert_int_equal(take_fd(ends[0], &number), -ENOTCONN);
	assert_int_equal(pass_fd(null, null, 0), -ENOTSOCK);
	close(ends[0]);
	close(null);
}

/* A number without a descriptor. */
static void test_pass_nothing(void **state)
{
	int ends[2], number = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(send(ends[1], &number, sizeof(number), 0), sizeof(number));
	assert_int_equal(take_fd(ends[0], &number), -EBADMSG);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_pass),
		cmocka_unit_test(test_pass_nothing),
	};

	return cmocka_run_group_tests_name("takeover", tests, make_temp_dir, remove_temp_dir);
}
