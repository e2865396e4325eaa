// SPDX-License-Identifier: GPL-2.0-only
/* All TCP sockets of this network namespace, from the kernel's socket diagnostics. */
#include "lib/apps/tcpsock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/apps/sockdiag.h"

static void set_end(struct tcp_end *end, uint8_t family, const __be32 *address, __be16 port)
{
	end->port = ntohs(port);
	if (family == AF_INET6) {
		memcpy(&end->address, address, sizeof(end->address));
		return;
	}
	memset(&end->address, 0, sizeof(end->address));
	end->address.s6_addr[10] = end->address.s6_addr[11] = 0xff;
	memcpy(&end->address.s6_addr[12], address, sizeof(*address));
}

/* Which protocol of the kernel's own the connection speaks above TCP, if it does. */
static void set_upper(struct tcp_socket *s, const struct rtattr *nest)
{
	int len = RTA_PAYLOAD(nest);

	for (const struct rtattr *a = RTA_DATA(nest); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == INET_ULP_INFO_NAME)
			snprintf(s->upper, sizeof(s->upper), "%.*s", (int)RTA_PAYLOAD(a),
				 (const char *)RTA_DATA(a));
	}
}

static int add_socket(void *ctx, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	int len = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	struct tcp_sockets *all = ctx;
	struct tcp_socket *s;

	s = sock_diag_grow(all->list, all->nr, sizeof(*s));
	if (!s)
		return -ENOMEM;
	all->list = s;
	s = &all->list[all->nr++];
	memset(s, 0, sizeof(*s));
	set_end(&s->local, m->idiag_family, m->id.idiag_src, m->id.idiag_sport);
	set_end(&s->remote, m->idiag_family, m->id.idiag_dst, m->id.idiag_dport);
	s->ino = m->idiag_inode;
	s->state = m->idiag_state;
	for (const struct rtattr *a = (const struct rtattr *)(m + 1); RTA_OK(a, len);
	     a = RTA_NEXT(a, len)) {
		if (a->rta_type == INET_DIAG_ULP_INFO)
			set_upper(s, a);
		else if (a->rta_type == INET_DIAG_MD5SIG)
			s->has_md5 = true;
	}

	return 0;
}

static int compare_ends(const struct tcp_end *x, const struct tcp_end *y)
{
	int r = memcmp(&x->address, &y->address, sizeof(x->address));

	return r ? r : x->port - y->port;
}

static int compare_sockets(const void *a, const void *b)
{
	const struct tcp_socket *x = a, *y = b;
	int r = compare_ends(&x->local, &y->local);

	return r ? r : compare_ends(&x->remote, &y->remote);
}

int tcp_sockets_read(struct tcp_sockets *all)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int r = 0;

	memset(all, 0, sizeof(*all));
	for (size_t i = 0; !r && i < sizeof(families); i++) {
		const struct inet_diag_req_v2 ask = {
			.sdiag_family = families[i],
			.sdiag_protocol = IPPROTO_TCP,
			/* Without it keys and upper protocols are not told either. */
			.idiag_ext = 1 << (INET_DIAG_INFO - 1),
			.idiag_states = ~0U,
		};

		r = sock_diag_dump(&ask, sizeof(ask), add_socket, all);
		/* A machine without IPv6. */
		if (r == -ENOENT && families[i] == AF_INET6)
			r = 0;
	}
	if (r < 0) {
		tcp_sockets_free(all);
		return r;
	}
	if (all->nr)
		qsort(all->list, all->nr, sizeof(*all->list), compare_sockets);

	return 0;
}

void tcp_sockets_free(struct tcp_sockets *all)
{
	free(all->list);
	memset(all, 0, sizeof(*all));
}

const struct tcp_socket *tcp_socket_peer(const struct tcp_sockets *all, const struct tcp_socket *s)
{
	const struct tcp_socket key = { .local = s->remote, .remote = s->local };

	if (!s->remote.port)
		return NULL;
	return bsearch(&key, all->list, all->nr, sizeof(key), compare_sockets);
}

static bool is_any(const struct in6_addr *address)
{
	static const struct in6_addr any4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	return IN6_IS_ADDR_UNSPECIFIED(address) || !memcmp(address, &any4, sizeof(any4));
}

const struct tcp_socket *tcp_socket_listener(const struct tcp_sockets *all,
					     const struct tcp_end *end)
{
	for (size_t i = 0; i < all->nr; i++) {
		const struct tcp_socket *s = &all->list[i];

		if (s->state == TCP_LISTEN && s->local.port == end->port &&
		    (is_any(&s->local.address) || !compare_ends(&s->local, end)))
			return s;
	}

	return NULL;
}
