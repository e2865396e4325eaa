// SPDX-License-Identifier: GPL-2.0-only
/* All unix sockets of this network namespace, from the kernel's socket diagnostics. */
#include "lib/apps/unixsock.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

/* The kernel's own form of a device number has so many bits for the minor one. */
#define MINOR_BITS	20

static int add_socket(struct unix_sockets *all, const struct nlmsghdr *h)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	int len = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	struct unix_socket *s;

	/* Room grows in powers of two. */
	if (!(all->nr & (all->nr - 1))) {
		size_t room = all->nr ? all->nr * 2 : 1;

		s = realloc(all->list, room * sizeof(*s));
		if (!s)
			return -ENOMEM;
		all->list = s;
	}

	s = &all->list[all->nr++];
	memset(s, 0, sizeof(*s));
	s->ino = m->udiag_ino;
	s->type = m->udiag_type;
	s->state = m->udiag_state;
	for (const struct rtattr *a = (const struct rtattr *)(m + 1); RTA_OK(a, len);
	     a = RTA_NEXT(a, len)) {
		size_t size = RTA_PAYLOAD(a);

		if (a->rta_type == UNIX_DIAG_PEER && size >= sizeof(s->peer)) {
			memcpy(&s->peer, RTA_DATA(a), sizeof(s->peer));
		} else if (a->rta_type == UNIX_DIAG_VFS && size >= sizeof(struct unix_diag_vfs)) {
			struct unix_diag_vfs vfs;

			memcpy(&vfs, RTA_DATA(a), sizeof(vfs));
			s->file_ino = vfs.udiag_vfs_ino;
			s->file_dev = makedev(vfs.udiag_vfs_dev >> MINOR_BITS,
					      vfs.udiag_vfs_dev & ((1U << MINOR_BITS) - 1));
		} else if (a->rta_type == UNIX_DIAG_NAME && size) {
			if (size > sizeof(s->name) - 1)
				size = sizeof(s->name) - 1;
			memcpy(s->name, RTA_DATA(a), size);
			if (!s->name[0])
				s->name[0] = '@';
		}
	}

	return 0;
}

static int receive(int fd, struct unix_sockets *all)
{
	_cleanup_free_ char *buf = malloc(65536);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = recv(fd, buf, 65536, 0);
		size_t len = n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		for (const struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, len);
		     h = NLMSG_NEXT(h, len)) {
			int r;

			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			r = add_socket(all, h);
			if (r < 0)
				return r;
		}
	}
}

static int compare_sockets(const void *a, const void *b)
{
	const struct unix_socket *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

int unix_sockets_read(struct unix_sockets *all)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} ask = {
		.head = {
			.nlmsg_len = sizeof(ask),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.req = {
			.sdiag_family = AF_UNIX,
			.udiag_states = ~0U,
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER |
				      UDIAG_SHOW_VFS,
		},
	};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r;

	memset(all, 0, sizeof(*all));
	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) != sizeof(ask))
		return -errno;
	r = receive(fd, all);
	if (r < 0) {
		unix_sockets_free(all);
		return r;
	}
	if (all->nr)
		qsort(all->list, all->nr, sizeof(*all->list), compare_sockets);

	return 0;
}

void unix_sockets_free(struct unix_sockets *all)
{
	free(all->list);
	memset(all, 0, sizeof(*all));
}

const struct unix_socket *unix_socket_find(const struct unix_sockets *all, uint32_t ino)
{
	struct unix_socket key = { .ino = ino };

	return all->nr ? bsearch(&key, all->list, all->nr, sizeof(key), compare_sockets) : NULL;
}
