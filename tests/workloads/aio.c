// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous direct I/O that never stops: reads of a file that land in memory
 * at any time, each verified when it is done, and writes that are read back.
 * The freeze meets some in flight.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define DEPTH	16
#define BLOCK	(64UL << 10)

/* The first half of the file is only read; in the other each writer has its own block. */
static struct area file = { .name = "file", .seed = 191, .len = 16 * MIB };
static struct area buffers = { .name = "buffers", .seed = 0, .len = DEPTH * BLOCK };

static struct request {
	struct iocb iocb;
	size_t block;		/* of the file */
	bool writes;		/* this time; then it reads that back */
	uint64_t rounds;
	volatile uint64_t done;
} requests[DEPTH];

static aio_context_t context;
static int fd;
static volatile uint64_t done;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

static bool is_writer(size_t i)
{
	return i % 4 == 0;
}

static unsigned char *buffer(size_t i)
{
	return buffers.mem + i * BLOCK;
}

static void submit(size_t i)
{
	struct request *r = &requests[i];
	struct iocb *list[] = { &r->iocb };

	r->iocb = (struct iocb){
		.aio_data = i,
		.aio_lio_opcode = r->writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)buffer(i),
		.aio_nbytes = BLOCK,
		.aio_offset = r->block * BLOCK,
	};
	if (syscall(SYS_io_submit, context, 1, list) != 1)
		die("io_submit");
}

static void check_block(const struct area *a, size_t first, const unsigned char *mem)
{
	for (size_t page = 0; page < BLOCK / PAGE; page++)
		contents_check(a, first + page, mem + page * PAGE);
}

/* What a writer has in its block: another content each time. */
static struct area own_block(const struct request *r)
{
	return (struct area){ .name = "written", .seed = 1000 + r->rounds, .len = BLOCK };
}

static void fill_block(size_t i)
{
	struct area own = own_block(&requests[i]);

	for (size_t page = 0; page < BLOCK / PAGE; page++)
		contents_fill(&own, page, buffer(i) + page * PAGE);
}

/* A request is done: look at what it has read, and think of the next. */
static void follow(size_t i)
{
	struct request *r = &requests[i];
	struct area own = own_block(r);

	if (!is_writer(i)) {
		check_block(&file, r->block * (BLOCK / PAGE), buffer(i));
		r->block = (r->block + 7) % (file.len / BLOCK / 2);
	} else if (r->writes) {
		r->writes = false;
	} else {
		check_block(&own, 0, buffer(i));
		r->rounds++;
		fill_block(i);
		r->writes = true;
	}
	/* A read that lands nowhere must not find what an earlier one left. */
	if (!r->writes)
		memset(buffer(i), 0x55, BLOCK);
	submit(i);
}

static void *work(void *arg)
{
	struct io_event events[DEPTH];

	(void)arg;
	for (;;) {
		long nr = syscall(SYS_io_getevents, context, 1, DEPTH, events, NULL);

		if (nr < 0 && errno == EINTR)
			continue;
		if (nr < 0)
			die("io_getevents");
		pthread_mutex_lock(&lock);
		for (long e = 0; e < nr; e++) {
			if (events[e].res != (long)BLOCK)
				wrong("a request of %lu bytes ended with %lld", BLOCK,
				      (long long)events[e].res);
			requests[events[e].data].done++;
			done++;
			follow(events[e].data);
		}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void make_file(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/file", workload_dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	for (size_t block = 0; block < file.len / BLOCK; block++) {
		for (size_t page = 0; page < BLOCK / PAGE; page++)
			contents_fill(&file, block * (BLOCK / PAGE) + page,
				      buffer(0) + page * PAGE);
		if (pwrite(fd, buffer(0), BLOCK, block * BLOCK) != (ssize_t)BLOCK)
			die(path);
	}
}

static void prepare(int argc, char **argv)
{
	pthread_t thread;

	(void)argc;
	(void)argv;
	area_map(&buffers, MAP_PRIVATE | MAP_ANONYMOUS);
	make_file();
	if (syscall(SYS_io_setup, DEPTH, &context) < 0)
		die("io_setup");
	for (size_t i = 0; i < DEPTH; i++) {
		requests[i].block = is_writer(i) ? file.len / BLOCK / 2 + i : i;
		requests[i].writes = is_writer(i);
		if (is_writer(i))
			fill_block(i);
		submit(i);
	}
	errno = pthread_create(&thread, NULL, work, NULL);
	if (errno)
		die("pthread_create");
	while (done < 10 * DEPTH)
		nap();
	fact("done", done);
}

/*
 * Each request comes round again and again, or one of them is lost. The bytes
 * that were verified since the last time are in the verdict already, but for
 * those before the first.
 */
static void verify(void)
{
	uint64_t before[DEPTH];
	size_t lost = 0;

	for (size_t i = 0; i < DEPTH; i++)
		before[i] = requests[i].done;
	for (int i = 0; i < 2000 && (i == 0 || lost); i++) {
		lost = 0;
		for (size_t r = 0; r < DEPTH; r++)
			lost += requests[r].done < before[r] + 4;
		nap();
	}
	if (lost)
		wrong("%zu of %u requests never ended", lost, DEPTH);
	fact("done", done);
}

const struct workload workload = { "aio", prepare, verify };
