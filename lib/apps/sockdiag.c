// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's socket diagnostics: asking for them, and taking the answer apart. */
#include "lib/apps/sockdiag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

static int receive(int fd, sock_diag_fn fn, void *ctx)
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
			r = fn(ctx, h);
			if (r)
				return r;
		}
	}
}

int sock_diag_dump(const void *request, size_t len, sock_diag_fn fn, void *ctx)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct nlmsghdr head = {
		.nlmsg_len = NLMSG_LENGTH(len),
		.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
	};
	struct iovec parts[] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)request, .iov_len = len },
	};

	if (fd < 0 || writev(fd, parts, 2) != (ssize_t)(sizeof(head) + len))
		return -errno;

	return receive(fd, fn, ctx);
}

void *sock_diag_grow(void *list, size_t nr, size_t size)
{
	return nr & (nr - 1) ? list : reallocarray(list, nr ? nr * 2 : 1, size);
}
