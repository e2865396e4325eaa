/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptors handed from one process to another over a socket; see unix(7), SCM_RIGHTS. */
#ifndef NVWA_BASE_PASS_FD_H
#define NVWA_BASE_PASS_FD_H

/*
 * socket is of type SOCK_STREAM; the descriptor stays open here, too. number goes with it, and
 * means what both sides agree on.
 */
int pass_fd(int socket, int fd, int number);

/* The next one, close-on-exec; -EAGAIN: there is none now, -ENOTCONN: none will come. */
int take_fd(int socket, int *number);

#endif
