// SPDX-License-Identifier: GPL-2.0-only
/* Connections within this machine, between processes of which one or both are carried. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/check.h"
#include "lib/apps/files.h"

/* include/uapi/linux/tcp.h */
#ifndef TCP_ULP
#define TCP_ULP	31
#endif

static char said[4096];
static int nr_fatal, nr_said;

static void note(void *ctx, const struct app *app, bool fatal, const char *text)
{
	(void)ctx;
	(void)app;
	nr_fatal += fatal;
	nr_said++;
	snprintf(said, sizeof(said), "%s", text);
}

/* What stands against these processes, each an app of its own. */
static int check(pid_t *pids, size_t nr)
{
	struct app apps[2] = { 0 };
	int r;

	for (size_t i = 0; i < nr; i++)
		apps[i] = (struct app){
			.kind = APP_PROGRAM, .name = (char *)"app", .pids = &pids[i], .nr_pids = 1,
		};
	nr_fatal = nr_said = 0;
	said[0] = '\0';
	r = apps_check_connections(apps, nr, note, NULL);
	assert_int_equal(r, nr_fatal);

	return nr_said;
}

static int tcp_listen(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);

	return fd;
}

static int tcp_connect(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)to, sizeof(*to)), 0);

	return fd;
}

/* A child that keeps these descriptors, which are closed here; -1: none. */
static pid_t give(int a, int b)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		for (;;)
			pause();
	}
	close(a);
	if (b >= 0)
		close(b);

	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void names(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "process %d (", pid);
	assert_non_null(strstr(said, text));
}

/* The child has everything of the parent's; so each end is in a process of its own. */
static void test_tcp(void **state)
{
	struct sockaddr_in at;
	int listener = tcp_listen(&at), client, server;
	pid_t pids[2];
	char port[32];

	(void)state;
	client = tcp_connect(&at);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	pids[1] = fork();
	if (pids[1] == 0) {
		close(client);
		for (;;)
			pause();
	}
	close(listener);
	close(server);
	pids[0] = getpid();
	/* The child closes its copy when it runs. */
	while (check(&pids[0], 1) == 0)
		;
	assert_int_equal(nr_said, 1);
	assert_int_equal(nr_fatal, 1);
	names(pids[1]);
	snprintf(port, sizeof(port), "at port %d,", ntohs(at.sin_port));
	assert_non_null(strstr(said, port));
	/* A server of others does without them, and is told. */
	while (check(&pids[1], 1) == 0)
		;
	assert_int_equal(nr_said, 1);
	assert_int_equal(nr_fatal, 0);
	names(pids[0]);
	assert_int_equal(check(pids, 2), 0);
	/* A peer that is gone is nobody to be carried. */
	end(pids[1]);
	assert_int_equal(check(&pids[0], 1), 0);
	close(client);
}

static void test_tcp_not_accepted(void **state)
{
	struct sockaddr_in at;
	int listener = tcp_listen(&at), client;
	pid_t pids[2] = { getpid(), give(listener, -1) };

	(void)state;
	client = tcp_connect(&at);
	assert_int_equal(check(pids, 1), 1);
	assert_int_equal(nr_fatal, 1);
	names(pids[1]);
	assert_int_equal(check(pids, 2), 0);
	end(pids[1]);
	close(client);
}

static int unix_listen(int type, struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(at->sun_path + 1, sizeof(at->sun_path) - 1, "nvwa-test-%d-%d", getpid(), type);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	if (type != SOCK_DGRAM)
		assert_int_equal(listen(fd, 4), 0);

	return fd;
}

static void test_unix(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sockaddr_un at;
		int listener = unix_listen(types[i], &at), client;
		pid_t pids[2] = { getpid(), give(listener, -1) };
		char name[128];

		client = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
		/* Nobody has accepted it. */
		assert_int_equal(check(pids, 1), 1);
		assert_int_equal(nr_fatal, 1);
		names(pids[1]);
		snprintf(name, sizeof(name), "through @%s to", at.sun_path + 1);
		assert_non_null(strstr(said, name));
		assert_null(strstr(said, "both are carried"));
		/* Each is restored for itself. */
		assert_int_equal(check(pids, 2), 1);
		assert_non_null(strstr(said, "both are carried"));
		close(client);
		end(pids[1]);
	}
}

static void test_unix_own(void **state)
{
	pid_t pid = getpid();
	int pair[2], dead[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, dead), 0);
	close(dead[1]);
	assert_int_equal(check(&pid, 1), 0);
	close(pair[0]);
	close(pair[1]);
	close(dead[0]);
}

/* A connection of this process with itself, that the kernel does more with than CRIU knows. */
static void test_kinds(void **state)
{
	struct tcp_md5sig key = { .tcpm_keylen = 3, .tcpm_key = "key" };
	struct sockaddr_in at;
	int listener = tcp_listen(&at), client = tcp_connect(&at), signer;
	pid_t pid = getpid();

	(void)state;
	assert_int_equal(check(&pid, 1), 0);
	/* Not every kernel has it. */
	if (!setsockopt(client, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"))) {
		assert_int_equal(check(&pid, 1), 1);
		assert_int_equal(nr_fatal, 1);
		assert_non_null(strstr(said, "kernel TLS"));
	}
	close(client);
	signer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(&key.tcpm_addr, &at, sizeof(at));
	at.sin_port = 0;
	assert_int_equal(bind(signer, (struct sockaddr *)&at, sizeof(at)), 0);
	if (!setsockopt(signer, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key))) {
		assert_int_equal(listen(signer, 1), 0);
		assert_int_equal(check(&pid, 1), 1);
		assert_non_null(strstr(said, "MD5"));
	}
	close(signer);
	close(listener);
}

/* What it watches with a number that is another file's by now CRIU finds; not what is elsewhere. */
static void test_epoll(void **state)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct open_file f = { .pid = getpid(), .fd = epoll_create1(EPOLL_CLOEXEC) };
	struct checker c = { .reason = note };
	int pair[2], copy;
	pid_t child;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(epoll_ctl(f.fd, EPOLL_CTL_ADD, pair[0], &event), 0);
	said[0] = '\0';
	check_epoll(&c, &f, "It");
	copy = dup(pair[0]);
	assert_int_equal(dup2(STDOUT_FILENO, pair[0]), pair[0]);
	check_epoll(&c, &f, "It");
	assert_string_equal(said, "");
	child = give(copy, -1);
	check_epoll(&c, &f, "It");
	assert_non_null(strstr(said, "It watches"));
	assert_int_equal(c.nr_fatal, 1);
	end(child);
	close(pair[0]);
	close(pair[1]);
	close(f.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_tcp_not_accepted),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_unix_own),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_epoll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
