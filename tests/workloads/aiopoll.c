// SPDX-License-Identifier: GPL-2.0-only
/* An asynchronous request that never ends: it waits for a pipe that nobody writes to. */
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct iocb iocb = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN };
	struct iocb *list[] = { &iocb };
	aio_context_t context = 0;
	int fds[2];

	if (pipe(fds) || syscall(SYS_io_setup, 1, &context)) {
		perror("aiopoll");
		return 1;
	}
	iocb.aio_fildes = fds[0];
	if (syscall(SYS_io_submit, context, 1, list) != 1) {
		perror("aiopoll");
		return 1;
	}
	for (;;)
		pause();
}
