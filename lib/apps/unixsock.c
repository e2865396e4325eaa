// SPDX-License-Identifier: GPL-2.0-only
/* All unix sockets of this network namespace, from the kernel's socket diagnostics. */
#include "lib/apps/unixsock.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "lib/apps/sockdiag.h"

/* The kernel's own form of a device number has so many bits for the minor one. */
#define MINOR_BITS	20

struct waiting {
	uint32_t ino, listener;
};

struct reader {
	struct unix_sockets *all;
	struct waiting *waiting;
	size_t nr_waiting;
};

/* Those who wait until this one accepts them are found with all others, before or after it. */
static int add_waiting(struct reader *reader, uint32_t listener, const struct rtattr *a)
{
	size_t nr = RTA_PAYLOAD(a) / sizeof(uint32_t);
	const uint32_t *inos = RTA_DATA(a);
	struct waiting *bigger;

	bigger = realloc(reader->waiting, (reader->nr_waiting + nr) * sizeof(*bigger));
	if (nr && !bigger)
		return -ENOMEM;
	reader->waiting = bigger;
	for (size_t i = 0; i < nr; i++)
		bigger[reader->nr_waiting++] = (struct waiting){ inos[i], listener };

	return 0;
}

static int add_socket(void *ctx, const struct nlmsghdr *h)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	struct reader *reader = ctx;
	struct unix_sockets *all = reader->all;
	int len = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	struct unix_socket *s;

	s = sock_diag_grow(all->list, all->nr, sizeof(*s));
	if (!s)
		return -ENOMEM;
	all->list = s;

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
		} else if (a->rta_type == UNIX_DIAG_ICONS && size) {
			int r = add_waiting(reader, m->udiag_ino, a);

			if (r < 0)
				return r;
		}
	}

	return 0;
}

static int compare_sockets(const void *a, const void *b)
{
	const struct unix_socket *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static struct unix_socket *find(const struct unix_sockets *all, uint32_t ino)
{
	struct unix_socket key = { .ino = ino };

	return all->nr ? bsearch(&key, all->list, all->nr, sizeof(key), compare_sockets) : NULL;
}

int unix_sockets_read(struct unix_sockets *all)
{
	const struct unix_diag_req ask = {
		.sdiag_family = AF_UNIX,
		.udiag_states = ~0U,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_VFS |
			      UDIAG_SHOW_ICONS,
	};
	struct reader reader = { .all = all };
	int r;

	memset(all, 0, sizeof(*all));
	r = sock_diag_dump(&ask, sizeof(ask), add_socket, &reader);
	if (r < 0)
		unix_sockets_free(all);
	if (all->nr)
		qsort(all->list, all->nr, sizeof(*all->list), compare_sockets);
	for (size_t i = 0; i < reader.nr_waiting; i++) {
		struct unix_socket *s = find(all, reader.waiting[i].ino);

		if (s && !s->peer)
			s->peer = reader.waiting[i].listener;
	}
	free(reader.waiting);

	return r;
}

void unix_sockets_free(struct unix_sockets *all)
{
	free(all->list);
	memset(all, 0, sizeof(*all));
}

const struct unix_socket *unix_socket_find(const struct unix_sockets *all, uint32_t ino)
{
	return find(all, ino);
}
