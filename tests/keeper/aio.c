// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous I/O that goes on while a process is stopped. Requests that wait for a pipe
 * end when somebody writes to that, and no earlier.
 */
#include "keeper.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT	0x100000000000ULL
#define NR	40

static int pipes[NR][2];

static bool submit(aio_context_t context, int i)
{
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = pipes[i][0], .aio_buf = POLLIN,
	}, *list[] = { &iocb };

	return syscall(SYS_io_submit, context, 1, list) == 1;
}

/* Two contexts, so that there is a sum; all twice, so that places in the ring are used again. */
static void child(void)
{
	aio_context_t contexts[2] = { 0 };
	struct io_event events[NR];
	char *p = mmap((void *)AT, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	long ended;
	char c;

	if (p == MAP_FAILED)
		_exit(1);
	*p = 1;
	raise(SIGSTOP);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++) {
			if (!contexts[i] && syscall(SYS_io_setup, NR / 2, &contexts[i]))
				_exit(2);
		}
		for (int i = 0; i < NR; i++) {
			if (!submit(contexts[i % 2], i))
				_exit(3);
		}
		raise(SIGSTOP);
		for (int i = 0; i < 2; i++) {
			ended = syscall(SYS_io_getevents, contexts[i], NR / 2, NR, events, NULL);
			if (ended != NR / 2)
				_exit(4);
		}
		for (int i = 0; i < NR; i++) {
			if (read(pipes[i][0], &c, 1) != 1)
				_exit(5);
		}
	}
	_exit(0);
}

static long long count(int fd, pid_t pid)
{
	struct nvwa_aio a = { .pid = pid };
	int err = keeper_call(fd, NVWA_IOC_AIO, &a);

	return err ?: (long long)a.nr;
}

/* What has ended is counted by a worker of the kernel's. */
static long long count_becomes(int fd, pid_t pid, long long want)
{
	long long nr = count(fd, pid);

	for (int i = 0; i < 5000 && nr != want; i++) {
		usleep(1000);
		nr = count(fd, pid);
	}
	return nr;
}

static int capture(int fd, pid_t pid, struct nvwa_capture *c)
{
	static struct nvwa_range range = { AT, PAGE };

	*c = (struct nvwa_capture){ .pid = pid, .nr_ranges = 1, .ranges = (uintptr_t)&range };
	return keeper_call(fd, NVWA_IOC_CAPTURE, c);
}

static void resume(pid_t pid)
{
	kill(pid, SIGCONT);
	stop_wait(pid);
}

void test_aio(void)
{
	struct nvwa_range scratch = { 0, PAGE };
	struct nvwa_aio odd = { .flags = 1 };
	struct nvwa_capture c;
	uint64_t header;
	pid_t pid;
	int fd;

	for (int i = 0; i < NR; i++) {
		if (pipe(pipes[i]))
			bail("pipe");
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		child();
	stop_wait(pid);
	/* The child must not have it, too: it is closed below to begin anew. */
	fd = keeper_open();
	same(keeper_call(fd, NVWA_IOC_AIO, &odd), -EINVAL, "aio: unknown flags are refused");
	same(count(fd, 0x3ffffff), -ESRCH, "aio: no such process");
	same(count(fd, pid), 0, "aio: without a ring nothing is under way");
	for (int round = 0; round < 2; round++) {
		resume(pid);
		same(count(fd, pid), NR, "aio: %d requests are under way", NR);
		same(begin(fd, &scratch, &header), 0, "begin");
		same(capture(fd, pid, &c), -EBUSY, "aio: and no memory is taken");
		same(c.busy_addr, 0, "aio: of no page in particular");
		for (int i = 0; i < 3; i++)
			ok(write(pipes[i][1], "x", 1) == 1, "aio: one has its data");
		same(count_becomes(fd, pid, NR - 3), NR - 3, "aio: three have ended");
		same(capture(fd, pid, &c), -EBUSY, "aio: still no memory is taken");
		for (int i = 3; i < NR; i++) {
			if (write(pipes[i][1], "x", 1) != 1)
				bail("write");
		}
		same(count_becomes(fd, pid, 0), 0, "aio: all have ended");
		same(capture(fd, pid, &c), 0, "aio: now it is taken");
		close(fd);
		fd = keeper_open();
	}
	kill(pid, SIGCONT);
	same(end_wait(pid), 0, "aio: the process finds all events");
	close(fd);
	for (int i = 0; i < NR; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}
