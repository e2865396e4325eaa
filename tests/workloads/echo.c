// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers what it is sent with the same: datagrams, and the bytes of one TCP
 * connection at a time. It does nothing else, so that a probe sees when it runs.
 *
 * usage: echo PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_on(int type, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    (type == SOCK_STREAM && listen(fd, 1)))
		die("socket");
	return fd;
}

static void answer_datagram(int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char data[2048];
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);

	/* An error is what the last answer met on its way. */
	if (n >= 0)
		sendto(fd, data, n, 0, (struct sockaddr *)&from, len);
}

/* False at the end of the connection. */
static int answer_bytes(int fd)
{
	char data[2048];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	return n > 0 && send(fd, data, n, MSG_NOSIGNAL) == n;
}

int main(int argc, char **argv)
{
	struct pollfd p[3] = { { .events = POLLIN }, { .events = POLLIN },
			       { .fd = -1, .events = POLLIN } };
	int on = 1;

	if (argc != 2) {
		fprintf(stderr, "usage: echo PORT\n");
		return 2;
	}
	p[0].fd = listen_on(SOCK_DGRAM, atoi(argv[1]));
	p[1].fd = listen_on(SOCK_STREAM, atoi(argv[1]));
	for (;;) {
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[0].revents)
			answer_datagram(p[0].fd);
		if (p[2].fd >= 0 && p[2].revents && !answer_bytes(p[2].fd)) {
			close(p[2].fd);
			p[2].fd = -1;
		}
		if (p[1].revents && p[2].fd < 0) {
			p[2].fd = accept(p[1].fd, NULL, NULL);
			setsockopt(p[2].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		}
	}
}
