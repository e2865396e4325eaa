// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that nobody can carry: it holds an io_uring. Prints the number of
 * its descriptor, then waits to be ended.
 */
#include <linux/io_uring.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct io_uring_params params = { 0 };
	long fd = syscall(SYS_io_uring_setup, 8, &params);

	if (fd < 0) {
		perror("io_uring_setup");
		return 1;
	}
	printf("%ld\n", fd);
	fflush(stdout);
	for (;;)
		pause();
}
