// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds TCP connections in every state, with data in both queues, and uses them up when told:
 * tests/clients/halfclosed.py is the peer, and asks for each what it is to be.
 *
 * usage: halfclosed PORT [DEVICE]
 *
 * It listens on PORT (IPv4), PORT + 1 (IPv6, and IPv4 mapped into it) and PORT + 2 (IPv4, bound to
 * the device). What a connection begins with is one line, "STATE ID"; "control 0" is where
 * it is asked, by a letter a line:
 *   a   wait until every connection is in its state, and say so: "ready"
 *   s   lines "ID STATE RECEIVED SENT" of what the kernel says (bytes in the queues)
 *   b   the machine's boot id
 *   v   use all up: what is to be read is read, to its end; what can be sent is ended
 *       with a tail. Lines "ID RECEIVED SENT VERDICT"
 * Each answer ends with an empty line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SIOCINQ
#define SIOCINQ		0x541b	/* asm-generic/sockios.h */
#define SIOCOUTQ	0x5411
#endif

#define MAX_CONNECTIONS	128
#define TAIL		1000	/* bytes that end what is sent */
#define LITTLE		3000	/* bytes that the peer takes at once */

static const struct {
	const char *name;
	int state;
	bool much;		/* more is sent than the peer takes */
	bool after_peer;	/* its end is sent when the peer's has come */
	bool ends;		/* it sends its end */
} kinds[] = {
	{ "established", TCP_ESTABLISHED, true, false, false },
	{ "close-wait", TCP_CLOSE_WAIT, true, false, false },
	{ "last-ack", TCP_LAST_ACK, true, true, true },
	{ "fin-wait-1", TCP_FIN_WAIT1, true, false, true },
	{ "closing", TCP_CLOSING, true, false, true },
	{ "fin-wait-2", TCP_FIN_WAIT2, false, false, true },
	{ "close", TCP_CLOSE, false, true, true },
	{ "syn-sent", TCP_SYN_SENT, false, false, false },
};

struct connection {
	int fd, id;
	size_t kind;
	size_t sent, received;
	bool sent_all, received_all;
	const char *verdict;
};

static struct connection connections[MAX_CONNECTIONS];
static size_t nr_connections;
static int listeners[3];
static FILE *control;

static void die(const char *what)
{
	fprintf(stderr, "halfclosed: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* What either side sends on a connection, at an offset. */
static unsigned char byte_at(int id, bool ours, size_t at)
{
	return (at * 31 + (at >> 8) * 7 + id * 13 + ours * 101) & 0xff;
}

static void listen_on(int *fd, int family, int port, const char *device)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int on = 1, off = 0, room = 32768;

	*fd = socket(family, SOCK_STREAM, 0);
	if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) ||
	    (family == AF_INET6 &&
	     setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off))) ||
	    (device && setsockopt(*fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device))) ||
	    (family == AF_INET ? bind(*fd, (struct sockaddr *)&in, sizeof(in)) :
	     bind(*fd, (struct sockaddr *)&in6, sizeof(in6))) || listen(*fd, 8))
		die("listen");
}

static int tcp_state(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		die("TCP_INFO");
	return info.tcpi_state;
}

/* As much as is taken, up to so many bytes; false: no more can be sent. */
static bool send_some(struct connection *c, size_t end)
{
	unsigned char data[4096];

	while (c->sent < end) {
		size_t n = end - c->sent < sizeof(data) ? end - c->sent : sizeof(data);
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			data[i] = byte_at(c->id, true, c->sent + i);
		r = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EAGAIN)
			return true;
		if (r < 0)
			return false;
		c->sent += r;
	}
	return true;
}

static void read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	do {
		if (n + 1 == size || read(fd, line + n, 1) != 1)
			die("a peer's first line");
	} while (line[n++] != '\n');
	line[n - 1] = '\0';
}

/* It takes no more, and has not for a while: what the peer has room for is there. */
static void fill(struct connection *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };

	do {
		if (!send_some(c, 1 << 20))
			die("send");
	} while (poll(&p, 1, 100) > 0);
}

static void set_up(struct connection *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	if (kinds[c->kind].much)
		fill(c);
	else
		send_some(c, LITTLE);
	if (kinds[c->kind].after_peer && poll(&p, 1, 10000) != 1)
		die("the peer's end");
	if (kinds[c->kind].ends && shutdown(c->fd, SHUT_WR))
		die("shutdown");
	c->sent_all = kinds[c->kind].ends;
}

/* The other way round: connect to a peer that does not answer yet, at the port "ID". */
static void connect_back(struct connection *c, int via, int port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer;
	socklen_t len = sizeof(peer);

	if (getpeername(via, &peer.any, &len))
		die("getpeername");
	if (peer.any.sa_family == AF_INET)
		peer.in.sin_port = htons(port);
	else
		peer.in6.sin6_port = htons(port);
	c->fd = socket(peer.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || (connect(c->fd, &peer.any, len) && errno != EINPROGRESS))
		die("connect");
}

static void begin(int listener)
{
	struct connection *c = &connections[nr_connections];
	char line[64], name[32];
	int fd = accept(listener, NULL, NULL), number;

	if (fd < 0 || nr_connections == MAX_CONNECTIONS)
		die("accept");
	read_line(fd, line, sizeof(line));
	if (sscanf(line, "%31s %d", name, &number) != 2)
		die(line);
	if (!strcmp(name, "control")) {
		control = fdopen(fd, "r+");
		setvbuf(control, NULL, _IONBF, 0);
		return;
	}
	c->fd = fd;
	c->id = number;
	while (c->kind < sizeof(kinds) / sizeof(kinds[0]) && strcmp(name, kinds[c->kind].name))
		c->kind++;
	if (c->kind == sizeof(kinds) / sizeof(kinds[0]))
		die(name);
	nr_connections++;
	if (kinds[c->kind].state == TCP_SYN_SENT) {
		connect_back(c, fd, number);
		close(fd);
		return;
	}
	set_up(c);
}

static void wait_for_states(void)
{
	for (size_t i = 0; i < nr_connections; i++)
		while (tcp_state(connections[i].fd) != kinds[connections[i].kind].state)
			usleep(20000);
	fputs("ready\n\n", control);
}

static void say_states(void)
{
	for (size_t i = 0; i < nr_connections; i++) {
		const struct connection *c = &connections[i];
		int in = 0, out = 0;

		ioctl(c->fd, SIOCINQ, &in);
		ioctl(c->fd, SIOCOUTQ, &out);
		fprintf(control, "%d %d %d %d\n", c->id, tcp_state(c->fd), in, out);
	}
	fputs("\n", control);
}

static void take(struct connection *c)
{
	unsigned char data[4096];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		c->verdict = strerror(errno);
	if (n <= 0)
		c->received_all = true;
	for (ssize_t i = 0; i < n; i++)
		if (data[i] != byte_at(c->id, false, c->received + i))
			c->verdict = "wrong bytes";
	c->received += n > 0 ? n : 0;
}

/* What is left to be sent, and then the end. */
static void put(struct connection *c, size_t end)
{
	if (!send_some(c, end)) {
		c->verdict = strerror(errno);
		c->sent_all = true;
	} else if (c->sent == end) {
		shutdown(c->fd, SHUT_WR);
		c->sent_all = true;
	}
}

static void use_up(void)
{
	size_t ends[MAX_CONNECTIONS], left = nr_connections;
	struct pollfd p[MAX_CONNECTIONS];

	for (size_t i = 0; i < nr_connections; i++) {
		ends[i] = connections[i].sent + TAIL;
		connections[i].verdict = "ok";
	}
	while (left) {
		left = 0;
		for (size_t i = 0; i < nr_connections; i++) {
			struct connection *c = &connections[i];

			p[i] = (struct pollfd){ .fd = -1 };
			if (c->sent_all && c->received_all)
				continue;
			left++;
			p[i].fd = c->fd;
			p[i].events = (c->sent_all ? 0 : POLLOUT) | (c->received_all ? 0 : POLLIN);
		}
		if (left && poll(p, nr_connections, 120000) <= 0)
			break;
		for (size_t i = 0; i < nr_connections; i++) {
			struct connection *c = &connections[i];

			if (!c->received_all && p[i].revents & (POLLIN | POLLHUP | POLLERR))
				take(c);
			if (!c->sent_all && p[i].revents & (POLLOUT | POLLHUP | POLLERR))
				put(c, ends[i]);
		}
	}
	for (size_t i = 0; i < nr_connections; i++) {
		const struct connection *c = &connections[i];

		fprintf(control, "%d %zu %zu %s\n", c->id, c->received, c->sent,
			c->received_all && c->sent_all ? c->verdict : "it came to no end");
	}
	fputs("\n", control);
	/* For the next time. */
	while (nr_connections) {
		close(connections[--nr_connections].fd);
		memset(&connections[nr_connections], 0, sizeof(connections[0]));
	}
}

static void say_boot(void)
{
	char id[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");

	if (!f || !fgets(id, sizeof(id), f))
		die("boot_id");
	fclose(f);
	fprintf(control, "%s\n", id);
}

static void obey(void)
{
	char line[16];

	if (!fgets(line, sizeof(line), control)) {
		fclose(control);
		control = NULL;
	} else if (line[0] == 'a') {
		wait_for_states();
	} else if (line[0] == 's') {
		say_states();
	} else if (line[0] == 'b') {
		say_boot();
	} else if (line[0] == 'v') {
		use_up();
	}
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 0;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: halfclosed PORT [DEVICE]\n");
		return 2;
	}
	listen_on(&listeners[0], AF_INET, port, NULL);
	listen_on(&listeners[1], AF_INET6, port + 1, NULL);
	listen_on(&listeners[2], AF_INET, port + 2, argc > 2 ? argv[2] : NULL);
	for (;;) {
		struct pollfd p[4] = {
			{ .fd = listeners[0], .events = POLLIN },
			{ .fd = listeners[1], .events = POLLIN },
			{ .fd = listeners[2], .events = POLLIN },
			{ .fd = control ? fileno(control) : -1, .events = POLLIN },
		};

		if (poll(p, 4, -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < 3; i++)
			if (p[i].revents)
				begin(listeners[i]);
		if (p[3].revents)
			obey();
	}
}
