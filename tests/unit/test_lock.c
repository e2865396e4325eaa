// SPDX-License-Identifier: GPL-2.0-only
/* The packet lock and the guard, on the kernel's own nftables: what passes, and whose they are. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/sockets.h"
#include "lib/net/net.h"
#include "lib/net/nft.h"
#include "tests/unit/net-namespace.h"

static char *tables(void)
{
	char *text = NULL;

	assert_return_code(nft_run("list tables\n", "a test", &text, NULL), 0);
	return text;
}

static bool has_table(const char *name)
{
	_cleanup_free_ char *text = tables();

	return strstr(text, name);
}

static void nft(const char *commands)
{
	assert_return_code(nft_run(commands, "a test", NULL, NULL), 0);
}

/* --- the lock ---------------------------------------------------------------- */

/* A process that has locked, and has started a program that outlives it; ends[0] is that one's. */
static pid_t start_owner(int ends[2])
{
	int ready[2];
	char c;
	pid_t pid;

	assert_return_code(pipe(ready), errno);
	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	pid = fork();
	if (!pid) {
		char *const argv[] = { "cat", NULL };
		posix_spawn_file_actions_t actions;
		pid_t cat;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
		c = net_lock(NULL) ? 'n' : 'y';
		/* Left behind, as CRIU would be: whatever it inherits stays open. */
		if (posix_spawnp(&cat, "cat", &actions, NULL, argv, NULL))
			c = 'n';
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	close(ready[0]);

	return pid;
}

static void test_owner_dies(void **state)
{
	int ends[2];
	pid_t pid;

	(void)state;
	NEED_NAMESPACE();
	pid = start_owner(ends);
	assert_true(has_table("inet nvwa-lock"));
	/* The machine's own filter may be loaded afresh meanwhile. */
	nft("flush ruleset\n");
	assert_true(has_table("inet nvwa-lock"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(has_table("inet nvwa-lock"));
	close(ends[0]);
	close(ends[1]);
}

static void test_lock_again(void **state)
{
	struct error err = { 0 };

	(void)state;
	NEED_NAMESPACE();
	/* One that nobody owns is in the way: of an update that ended in the new kernel. */
	assert_return_code(net_lock_again(NULL), 0);
	if (net_lock(&err) < 0)
		fail_msg("%s", err.text);
	assert_return_code(net_lock(NULL), 0);
	assert_return_code(net_unlock(NULL), 0);
	assert_false(has_table("inet nvwa-lock"));
	assert_return_code(net_unlock(NULL), 0);
	/* And in the new kernel, where each step is a process of its own. */
	assert_return_code(net_lock_again(NULL), 0);
	assert_return_code(net_lock_ports("7,11", NULL), 0);
	assert_true(has_table("inet nvwa-lock"));
	assert_return_code(net_unlock(NULL), 0);
	assert_false(has_table("inet nvwa-lock"));
	nft("delete table inet nvwa-note\n");
}

/* A checkpoint of somebody else's is under way. */
static void test_others_lock(void **state)
{
	(void)state;
	NEED_NAMESPACE();
	nft("add table inet CRIU-4711\n");
	assert_return_code(net_lock(NULL), 0);
	assert_return_code(net_unlock(NULL), 0);
	assert_true(has_table("inet CRIU-4711"));
	nft("delete table inet CRIU-4711\n");
}

/* --- the guard ----------------------------------------------------------------- */

/* Two machines with this one, a router, in between: left .2 - .1 router .1 - .2 right. */
static struct machine {
	const char *name, *v4, *v6, *router4, *router6;
	pid_t pid;
} left = { "left", "10.1.0.2", "fd01::2", "10.1.0.1", "fd01::1", 0 },
  right = { "right", "10.2.0.2", "fd02::2", "10.2.0.1", "fd02::1", 0 };

static void make_machine(struct machine *m)
{
	int ready[2];
	char c;

	assert_return_code(pipe(ready), errno);
	m->pid = fork();
	if (!m->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!unshare(CLONE_NEWNET) && write(ready[1], "y", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	free(shell("ip link add %s type veth peer name eth netns %d; ip link set %s up\n"
		   "ip addr add %s/24 dev %s; ip addr add %s/64 dev %s nodad\n"
		   "nsenter -t %d -n sh -ec 'ip link set eth up; ip addr add %s/24 dev eth\n"
		   "ip addr add %s/64 dev eth nodad; ip route add default via %s\n"
		   "ip route add ::/0 via %s'", m->name, m->pid, m->name, m->router4, m->name,
		   m->router6, m->name, m->pid, m->v4, m->v6, m->router4, m->router6));
}

static void end_machine(const struct machine *m)
{
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	free(shell("ip link del %s 2>&1 || true", m->name));
}

/* Into the namespace of a machine; NULL: stay. */
static void enter(const struct machine *m)
{
	char path[64];
	int other;

	if (!m)
		return;
	assert_return_code(path_format(path, sizeof(path), "/proc/%d/ns/net", m->pid), 0);
	other = open(path, O_RDONLY);
	assert_return_code(setns(other, CLONE_NEWNET), errno);
	close(other);
}

/* A socket of a machine's; NULL: the router. Bound to a port if it listens. */
static int udp(const struct machine *m, int family, int port)
{
	int own = open("/proc/self/ns/net", O_RDONLY), fd;
	struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_storage any = { .ss_family = family };

	((struct sockaddr_in *)&any)->sin_port = htons(port);
	enter(m);
	fd = socket(family, SOCK_DGRAM, 0);
	assert_return_code(fd, errno);
	assert_return_code(setns(own, CLONE_NEWNET), errno);
	close(own);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_return_code(bind(fd, (struct sockaddr *)&any, sizeof(any)), errno);

	return fd;
}

#define PORT	7

static int send_to(int fd, const char *address, char what)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return sendto(fd, &what, 1, 0, (struct sockaddr *)&v4, sizeof(v4));
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return sendto(fd, &what, 1, 0, (struct sockaddr *)&v6, sizeof(v6));
}

static char received(int fd)
{
	char c = 0;

	assert_int_equal(recv(fd, &c, 1, 0), 1);
	return c;
}

/*
 * What is sent under the guard does not arrive, and what is sent afterwards does: as the first that
 * comes, since nothing overtakes on such links.
 */
static void check_guarded(int from, int to, const char *address)
{
	assert_int_equal(send_to(from, address, 'a'), 1);
	assert_int_equal(received(to), 'a');
	assert_return_code(net_guard(NULL), 0);
	send_to(from, address, 'b');
	assert_return_code(net_unguard(NULL), 0);
	assert_int_equal(send_to(from, address, 'c'), 1);
	assert_int_equal(received(to), 'c');
}

static void check_family(int family)
{
	const bool v6 = family == AF_INET6;
	int in = udp(NULL, family, PORT), out = udp(NULL, family, 0);
	int near = udp(&left, family, PORT), far = udp(&right, family, PORT);
	int client = udp(&left, family, 0);

	check_guarded(client, far, v6 ? right.v6 : right.v4);
	check_guarded(client, in, v6 ? left.router6 : left.router4);
	check_guarded(out, near, v6 ? left.v6 : left.v4);
	/* Programs of this machine talk to each other. */
	assert_return_code(net_guard(NULL), 0);
	assert_int_equal(send_to(out, v6 ? "::1" : "127.0.0.1", 'd'), 1);
	assert_int_equal(received(in), 'd');
	assert_return_code(net_unguard(NULL), 0);
	close(in);
	close(out);
	close(near);
	close(far);
	close(client);
}

static void test_guard(void **state)
{
	(void)state;
	NEED_NAMESPACE();
	free(shell("ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward\n"
		   "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"));
	make_machine(&left);
	make_machine(&right);
	check_family(AF_INET);
	check_family(AF_INET6);
	/* Neighbours are found under the guard as well. */
	assert_return_code(net_guard(NULL), 0);
	free(shell("nsenter -t %d -n ip -6 neigh flush all", left.pid));
	send_to(udp(&left, AF_INET6, 0), left.router6, 'e');
	for (int tries = 2000; tries; tries--) {
		_cleanup_free_ char *found = shell("nsenter -t %d -n ip -6 neigh show %s nud "
						   "reachable", left.pid, left.router6);

		if (*found)
			break;
		assert_int_not_equal(tries, 1);
	}
	assert_return_code(net_unguard(NULL), 0);
	end_machine(&left);
	end_machine(&right);
}

static int tcp(const struct machine *m)
{
	int own = open("/proc/self/ns/net", O_RDONLY), fd;

	enter(m);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(fd, errno);
	assert_return_code(setns(own, CLONE_NEWNET), errno);
	close(own);

	return fd;
}

/* A filter that knows no connection yet: the peer's data get through once this end has sent. */
static void test_probe(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timeval patience = { .tv_sec = 20 };
	pid_t pids[] = { getpid() };
	struct app app = { .pids = pids, .nr_pids = 1 };
	int listener, server, client, value, idle;
	socklen_t len = sizeof(value);
	char c = 'x';

	(void)state;
	NEED_NAMESPACE();
	make_machine(&left);
	listener = tcp(&left);
	client = tcp(NULL);
	assert_int_equal(inet_pton(AF_INET, left.v4, &at.sin_addr), 1);
	assert_return_code(bind(listener, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(listen(listener, 1), errno);
	assert_return_code(connect(client, (struct sockaddr *)&at, sizeof(at)), errno);
	server = accept(listener, NULL, NULL);
	assert_return_code(server, errno);
	assert_return_code(getsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len), errno);
	nft("add table inet filter\n"
	    "add chain inet filter in { type filter hook input priority filter; policy drop; }\n"
	    "add rule inet filter in ct state established accept\n");
	assert_int_equal(send(server, &c, 1, 0), 1);

	assert_int_equal(recv(client, &c, 1, MSG_DONTWAIT), -1);
	assert_return_code(sockets_probe(&app), 0);
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(recv(client, &c, 1, 0), 1);
	assert_return_code(getsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &value, &len), errno);
	assert_int_equal(value, 0);
	assert_return_code(getsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), errno);
	assert_int_equal(value, idle);
	nft("flush ruleset\n");
	close(client);
	close(server);
	close(listener);
	end_machine(&left);
}

static void test_guard_goes(void **state)
{
	(void)state;
	NEED_NAMESPACE();
	assert_return_code(net_unguard(NULL), 0);
	assert_return_code(net_guard(NULL), 0);
	assert_return_code(net_guard(NULL), 0);
	assert_true(has_table("inet nvwa-guard"));
	/* As the machine's own filter does when it loads its rules. */
	nft("flush ruleset\nadd table inet mine\n");
	assert_false(has_table("inet nvwa-guard"));
	assert_return_code(net_unguard(NULL), 0);
	assert_true(has_table("inet mine"));
	nft("flush ruleset\n");
}

static void test_has_rules(void **state)
{
	(void)state;
	NEED_NAMESPACE();
	assert_int_equal(net_has_rules(NULL), 0);
	assert_return_code(net_lock_again(NULL), 0);
	assert_return_code(net_guard(NULL), 0);
	/* As Debian's nftables.conf: it keeps nothing from anybody. */
	nft("add table inet filter\n"
	    "add chain inet filter input { type filter hook input priority filter; }\n");
	assert_int_equal(net_has_rules(NULL), 0);
	nft("add chain inet filter input { policy drop; }\n");
	assert_int_equal(net_has_rules(NULL), 1);
	nft("delete table inet filter\nadd table ip nat\n"
	    "add chain ip nat post { type nat hook postrouting priority srcnat; }\n");
	assert_int_equal(net_has_rules(NULL), 0);
	nft("add rule ip nat post oifname eth0 masquerade\n");
	assert_int_equal(net_has_rules(NULL), 1);
	nft("flush ruleset\n");
	assert_int_equal(net_has_rules(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner_dies),
		cmocka_unit_test(test_lock_again),
		cmocka_unit_test(test_others_lock),
		cmocka_unit_test(test_has_rules),
		cmocka_unit_test(test_guard_goes),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests_name("lock", tests, enter_namespace, NULL);
}
