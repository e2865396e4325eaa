// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous reads of a device that takes half a second for each (null_blk): the freeze meets
 * all of them under way. The program waits for each event, in one thread by the ring
 * and in another by an eventfd. Afterwards the device is gone, and no request is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define DEVICE	"/dev/nullb0"
#define DEPTH	4

static struct area memory = { .name = "memory", .seed = 193, .len = MIB };
static struct area buffers = { .name = "buffers", .len = 2 * DEPTH * PAGE };

/* One context, its thread, and how many requests it has begun and seen the end of. */
static struct reader {
	aio_context_t context;
	int eventfd;		/* or -1 */
	unsigned char *buffer;
	volatile uint64_t begun, ended;
	volatile bool gone;	/* the device */
} readers[2];

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

/* The device is open no longer than it takes to ask it. */
static void submit(struct reader *r)
{
	int fd = open(DEVICE, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		r->gone = true;
		return;
	}
	if (fd < 0)
		die(DEVICE);
	for (size_t i = 0; i < DEPTH; i++) {
		struct iocb iocb = {
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = fd,
			.aio_buf = (uintptr_t)(r->buffer + i * PAGE),
			.aio_nbytes = PAGE,
			.aio_offset = i * PAGE,
			.aio_flags = r->eventfd >= 0 ? IOCB_FLAG_RESFD : 0,
			.aio_resfd = r->eventfd >= 0 ? r->eventfd : 0,
		}, *list[] = { &iocb };

		if (syscall(SYS_io_submit, r->context, 1, list) != 1)
			die("io_submit");
		r->begun++;
	}
	close(fd);
}

/* How many events are there to be had? Waits for one. */
static long announced(const struct reader *r)
{
	uint64_t nr;

	if (r->eventfd < 0)
		return 1;
	while (read(r->eventfd, &nr, sizeof(nr)) != sizeof(nr)) {
		if (errno != EINTR)
			die("eventfd");
	}
	return nr;
}

static void *work(void *arg)
{
	struct io_event events[DEPTH];
	struct reader *r = arg;

	while (!r->gone) {
		long nr = announced(r), got;

		do {
			got = syscall(SYS_io_getevents, r->context, nr, DEPTH, events, NULL);
		} while (got < 0 && errno == EINTR);
		if (got < nr)
			die("io_getevents");
		for (long i = 0; i < got; i++) {
			if (events[i].res != (long)PAGE)
				wrong("a request ended with %lld", (long long)events[i].res);
		}
		r->ended += got;
		if (r->ended == r->begun)
			submit(r);
	}
	return NULL;
}

static void prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	area_map(&memory, MAP_PRIVATE | MAP_ANONYMOUS);
	area_fill(&memory);
	area_map(&buffers, MAP_PRIVATE | MAP_ANONYMOUS);
	for (size_t i = 0; i < NR(readers); i++) {
		struct reader *r = &readers[i];
		pthread_t thread;

		r->buffer = buffers.mem + i * DEPTH * PAGE;
		r->eventfd = i ? eventfd(0, EFD_CLOEXEC) : -1;
		if (syscall(SYS_io_setup, DEPTH, &r->context) < 0)
			die("io_setup");
		submit(r);
		errno = pthread_create(&thread, NULL, work, r);
		if (errno)
			die("pthread_create");
		while (!r->gone && r->ended < DEPTH)
			nap();
	}
	fact("ended", readers[0].ended + readers[1].ended);
}

static void verify(void)
{
	area_check(&memory);
	for (size_t i = 0; i < NR(readers); i++) {
		struct reader *r = &readers[i];
		uint64_t wanted = r->begun;

		for (int n = 0; n < 1000 && r->ended < wanted; n++)
			nap();
		if (r->ended < wanted)
			wrong("of %llu requests %llu never ended%s", (unsigned long long)wanted,
			      (unsigned long long)(wanted - r->ended),
			      r->eventfd < 0 ? "" : ", to the eventfd");
	}
	fact("ended", readers[0].ended + readers[1].ended);
}

const struct workload workload = { "aioslow", prepare, verify };
