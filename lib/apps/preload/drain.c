// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous I/O (io_submit(2)) goes on when all threads of a process are stopped. criu copies
 * the ring of events and the counters of eventfds as they are: what ends later would
 * be in no image, and the program would wait for it for ever.
 */
#include "lib/apps/preload/drain.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/apps/preload/protocol.h"
#include "lib/record/keeper.h"

/* For all processes together. A disk that has more to do than this is not quick to take over. */
#define DRAIN_SECONDS	5

static pid_t *noted;
static size_t nr_noted;

void drain_note(pid_t pid)
{
	/* Room grows in powers of two. */
	if (!(nr_noted & (nr_noted - 1))) {
		pid_t *bigger = reallocarray(noted, nr_noted ? nr_noted * 2 : 1, sizeof(*noted));

		/* The module takes no memory of a process that is not waited for here. */
		if (!bigger)
			return;
		noted = bigger;
	}
	noted[nr_noted++] = pid;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* 0, or -errno and *nr that are left. */
static int wait_for(int keeper, pid_t pid, int64_t until_ms, uint32_t *nr)
{
	int r;

	*nr = 0;
	while (!(r = keeper_aio(keeper, pid, nr)) && *nr && now_ms() < until_ms)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	if (r == -ESRCH)
		return 0;	/* a thread, or a zombie */
	return r ?: *nr ? -EBUSY : 0;
}

int drain_wait(int keeper)
{
	int64_t until_ms = now_ms() + DRAIN_SECONDS * 1000;
	uint32_t nr;
	int r;

	for (; nr_noted; nr_noted--) {
		pid_t pid = noted[nr_noted - 1];

		r = wait_for(keeper, pid, until_ms, &nr);
		if (!r)
			continue;
		if (r == -EBUSY)
			dprintf(STDERR_FILENO, CRIU_PRELOAD_SAYS "process %d has %u request%s of "
				"asynchronous I/O (io_submit) under way, with no end in sight. "
				"Try again when its disk is less busy; requests that wait for a "
				"descriptor (IOCB_CMD_POLL) cannot be carried\n", pid, nr,
				nr == 1 ? "" : "s");
		else
			dprintf(STDERR_FILENO, CRIU_PRELOAD_SAYS "it cannot be seen whether "
				"process %d has asynchronous I/O under way: %s\n", pid,
				strerror(-r));
		errno = -r;
		return -1;
	}
	return 0;
}
