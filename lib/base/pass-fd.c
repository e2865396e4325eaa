// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors handed from one process to another over a socket. */
#include "lib/base/pass-fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
	char buffer[CMSG_SPACE(sizeof(int))];
	struct cmsghdr head;		/* for its alignment */
};

int pass_fd(int socket, int fd, int number)
{
	union control control = { { 0 } };
	struct iovec data = { &number, sizeof(number) };
	struct msghdr m = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));

	return sendmsg(socket, &m, MSG_NOSIGNAL) == sizeof(number) ? 0 : -errno;
}

int take_fd(int socket, int *number)
{
	union control control;
	struct iovec data = { number, sizeof(*number) };
	struct msghdr m = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	const struct cmsghdr *c;
	ssize_t n;
	int fd;

	n = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n ? -errno : -ENOTCONN;
	c = CMSG_FIRSTHDR(&m);
	if (n != sizeof(*number) || !c || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));

	return fd;
}
