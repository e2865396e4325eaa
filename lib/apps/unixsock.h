/* SPDX-License-Identifier: GPL-2.0-only */
/* All unix sockets of this network namespace, from the kernel's socket diagnostics. */
#ifndef NVWA_APPS_UNIXSOCK_H
#define NVWA_APPS_UNIXSOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct unix_socket {
	uint32_t ino;
	uint32_t peer;		/* 0: none; as long as it was not accepted, who listens */
	uint8_t type, state;	/* SOCK_*, TCP_* */
	char name[112];		/* "" if none; an abstract name begins with '@' */
	uint32_t file_ino;	/* of the file that it was bound to by name; 0: there is none */
	dev_t file_dev;
};

struct unix_sockets {
	struct unix_socket *list;	/* sorted by ino */
	size_t nr;
};

int unix_sockets_read(struct unix_sockets *all);
void unix_sockets_free(struct unix_sockets *all);
const struct unix_socket *unix_socket_find(const struct unix_sockets *all, uint32_t ino);

#endif
