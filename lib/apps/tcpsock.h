/* SPDX-License-Identifier: GPL-2.0-only */
/* All TCP sockets of this network namespace, and which are the two ends of one connection. */
#ifndef NVWA_APPS_TCPSOCK_H
#define NVWA_APPS_TCPSOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IPv4 is mapped into IPv6, whatever the socket is of. */
struct tcp_end {
	struct in6_addr address;
	uint16_t port;		/* host's byte order */
};

struct tcp_socket {
	struct tcp_end local, remote;
	uint32_t ino;		/* 0: no program has it open (any more, or yet) */
	uint8_t state;		/* TCP_* */
	bool has_md5;		/* keys for signatures, RFC 2385 */
	char upper[16];		/* TCP_ULP, as "tls"; "" if none */
};

struct tcp_sockets {
	struct tcp_socket *list;	/* sorted by both ends */
	size_t nr;
};

int tcp_sockets_read(struct tcp_sockets *all);
void tcp_sockets_free(struct tcp_sockets *all);

/* The other end of a connection, if that is in this network namespace too; or NULL. */
const struct tcp_socket *tcp_socket_peer(const struct tcp_sockets *all,
					 const struct tcp_socket *s);

/* Who listens at the end of a connection, whether at this address or at any; or NULL. */
const struct tcp_socket *tcp_socket_listener(const struct tcp_sockets *all,
					     const struct tcp_end *end);

#endif
