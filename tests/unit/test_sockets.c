// SPDX-License-Identifier: GPL-2.0-only
/* Ports and addresses of sockets, in this process itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/app.h"
#include "lib/apps/sockets.h"

/* A socket of the loopback address at any port, which is returned. */
static uint16_t bound(int family, int type, int *fd)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&in :
				   (struct sockaddr *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);

	*fd = socket(family, type | SOCK_CLOEXEC, 0);
	if (*fd < 0 && errno == EAFNOSUPPORT)
		return 0;
	assert_true(*fd >= 0);
	if (bind(*fd, address, len) < 0) {
		assert_int_equal(errno, EADDRNOTAVAIL);	/* a machine without IPv6 */
		return 0;
	}
	assert_int_equal(getsockname(*fd, address, &len), 0);

	return ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
}

static size_t count(const bool *used)
{
	size_t nr = 0;

	for (size_t port = 1; port < SOCKETS_PORTS; port++)
		nr += used[port];

	return nr;
}

static void test_ports(void **state)
{
	bool *used = calloc(SOCKETS_PORTS, sizeof(*used));
	int listener, client, server, six, datagrams, none;
	pid_t pid = getpid();
	const struct app app = { .pids = &pid, .nr_pids = 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t len = sizeof(to);
	uint16_t port, port6;

	(void)state;
	assert_non_null(used);
	port = bound(AF_INET, SOCK_STREAM, &listener);
	port6 = bound(AF_INET6, SOCK_STREAM, &six);
	bound(AF_INET, SOCK_DGRAM, &datagrams);
	none = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(listen(listener, 1), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_port = htons(port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(getsockname(client, (struct sockaddr *)&to, &len), 0);

	assert_int_equal(sockets_ports(&app, used), 0);
	assert_true(used[port]);
	assert_true(used[ntohs(to.sin_port)]);
	assert_true(!port6 || used[port6]);
	assert_int_equal(count(used), port6 ? 3 : 2);

	close(server);
	close(client);
	close(listener);
	close(none);
	close(datagrams);
	if (six >= 0)
		close(six);
	free(used);
}

/* A service has taken an address away. */
static void test_gone(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	pid_t pids[] = { getpid() };
	struct app app = { .pids = pids, .nr_pids = 1 };
	struct error err = { 0 };
	const int on = 1;
	int fd;

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 4);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(app_check_gone(&app, "", &err), 0);
	assert_int_equal(app_check_gone(&app, "127.0.0.50 lo\n27.0.0.5 lo\n", &err), 0);
	assert_string_equal(err.text, "");
	assert_int_equal(app_check_gone(&app, "127.0.0.50 lo\n127.0.0.5 eth0\n", &err),
			 -EADDRNOTAVAIL);
	assert_non_null(strstr(err.text, "a socket at 127.0.0.5, an address that a service took"));
	/* A listener that needs no address of the machine's: HAProxy's in a cluster, say. */
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)), 0);
	assert_int_equal(app_check_gone(&app, "127.0.0.5 eth0\n", NULL), -EADDRNOTAVAIL);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(app_check_gone(&app, "127.0.0.5 eth0\n", NULL), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
