// SPDX-License-Identifier: GPL-2.0-only
/* The old kernel's side of shared memory: CAPTURE_SHMEM and what closing undoes. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ID		7	/* also the seed of the pattern */
#define PAGES		4096
#define FALLOCATED	100	/* behind the pattern: allocated and never written to */
#define LEN		((4 * PAGES + FALLOCATED) * PAGE)

/* Which pages have contents: a block, then every second one, then a huge hole. */
static bool present(uint64_t i)
{
	return i < PAGES / 2 || (i < PAGES && i % 2) || (i >= 3 * PAGES && i < 4 * PAGES);
}

static uint64_t expected(uint64_t i)
{
	return present(i) || i >= 4 * PAGES;
}

static int capture_shmem(int fd, int file, uint64_t id, struct nvwa_capture_shmem *c)
{
	*c = (struct nvwa_capture_shmem){ .fd = file, .id = id, .max_len = ~0ULL };
	return keeper_call(fd, NVWA_IOC_CAPTURE_SHMEM, c);
}

static char *map_file(int file, uint64_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (p == MAP_FAILED)
		bail("mmap of shared memory");
	return p;
}

static int file_make(void)
{
	int file = memfd_create("keeper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t i;
	char *p;

	if (file < 0 || ftruncate(file, LEN) ||
	    fallocate(file, 0, 4 * PAGES * PAGE, FALLOCATED * PAGE))
		bail("cannot make a memfd");
	p = map_file(file, LEN);
	for (i = 0; i < 4 * PAGES; i++) {
		if (present(i))
			pattern_fill(p + i * PAGE, i * PAGE, ID);
	}
	munmap(p, LEN);
	return file;
}

static bool file_holds(int file)
{
	static const char zero[NVWA_PAGE_SIZE];
	char *p = map_file(file, LEN);
	bool holds = true;
	uint64_t i;

	for (i = 0; i < 4 * PAGES + FALLOCATED && holds; i++) {
		if (present(i))
			holds = pattern_holds(p + i * PAGE, i * PAGE, ID);
		else
			holds = !memcmp(p + i * PAGE, zero, PAGE);
	}
	munmap(p, LEN);
	return holds;
}

static uint64_t file_blocks(int file)
{
	struct stat st;

	if (fstat(file, &st))
		bail("fstat");
	return st.st_blocks * 512 / PAGE;
}

/* The 128 MiB of memory around the file's first page. */
static struct nvwa_range block_of(int file)
{
	char *p = map_file(file, PAGE);
	uint64_t phys;

	/* It is there, so this maps it. */
	*(volatile char *)p;
	phys = frame_of(getpid(), (uintptr_t)p) * PAGE;
	munmap(p, PAGE);
	return (struct nvwa_range){ phys / (128 * MIB) * (128 * MIB), 128 * MIB };
}

/* Does the section say of every page where it is, outside the scratch, and of no other? */
static bool runs_right(const struct nvwa_shmem *s, size_t nr, const struct nvwa_range *scratch)
{
	static const char zero[NVWA_PAGE_SIZE];
	const struct nvwa_run *runs = (void *)(s + 1);
	char page[NVWA_PAGE_SIZE];
	uint64_t i, k, at = 0, phys, pages = 0;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < runs[i].nr; k++, pages++) {
			for (; !expected(at); at++)
				;
			phys = (runs[i].pfn + k) * PAGE;
			if (runs[i].addr + k * PAGE != at * PAGE ||
			    (phys >= scratch->start && phys < scratch->start + scratch->len))
				return false;
			read_phys(phys, page, PAGE);
			if (present(at) ? !pattern_holds(page, at * PAGE, ID) :
					  memcmp(page, zero, PAGE))
				return false;
			at++;
		}
	}
	for (i = 0; i < 4 * PAGES + FALLOCATED; i++)
		pages -= expected(i);
	return !pages && s->id == ID && s->len == LEN && !s->reserved;
}

/* Find the section in the sealed record. */
static void check_record(uint64_t header, const struct nvwa_range *scratch)
{
	static struct nvwa_header h;
	struct nvwa_section *s;
	uint64_t i, pos = 0;
	char *stream;
	int nr = 0;

	read_phys(header, &h, sizeof(h));
	stream = malloc(h.record_len);
	for (i = 0; i < h.nr_chunks; i++) {
		read_phys(h.chunks[i].phys, stream + pos, h.chunks[i].len);
		pos += h.chunks[i].len;
	}
	for (pos = 0; pos < h.record_len; pos += (s->data_len + 7) / 8 * 8) {
		s = (void *)(stream + pos);
		pos += sizeof(*s) + (s->name_len + 7) / 8 * 8;
		if (s->kind != NVWA_SECTION_SHMEM)
			continue;
		nr++;
		ok(runs_right((void *)(stream + pos), s->data_len / 24 - 1, scratch),
		   "every page is where the record says, and no other");
	}
	same(nr, 1, "one file in the record");
	free(stream);
}

static void test_refusals(int fd, int file)
{
	struct nvwa_capture_shmem c = { .fd = file, .id = 1, .flags = 1 };
	int other = open("/root/keeper", O_RDONLY | O_CLOEXEC), dir = open("/dev/shm", O_RDONLY);
	int huge = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB), fds[2];

	same(keeper_call(fd, NVWA_IOC_CAPTURE_SHMEM, &c), -EINVAL, "unknown flags are refused");
	same(capture_shmem(fd, file, 0, &c), -EINVAL, "the id 0 is refused");
	same(capture_shmem(fd, 999, 1, &c), -EBADF, "no such descriptor");
	same(capture_shmem(fd, other, 1, &c), -EOPNOTSUPP, "a file on a disk is refused");
	same(capture_shmem(fd, dir, 1, &c), -EOPNOTSUPP, "a directory is refused");
	if (pipe(fds))
		bail("pipe");
	same(capture_shmem(fd, fds[0], 1, &c), -EOPNOTSUPP, "a pipe is refused");
	if (huge >= 0)
		same(capture_shmem(fd, huge, 1, &c), -EOPNOTSUPP, "huge pages are refused");
	close(fds[0]);
	close(fds[1]);
	close(huge);
	close(dir);
	close(other);
}

static void test_capture(void)
{
	struct nvwa_capture_shmem c;
	struct nvwa_seal seal = { .room = ~0ULL };
	struct nvwa_range scratch;
	uint64_t header, i, pages = 0, blocks;
	int fd = keeper_open(), file = file_make(), sealed;
	char path[64], *p;

	for (i = 0; i < 4 * PAGES + FALLOCATED; i++)
		pages += expected(i);
	blocks = file_blocks(file);
	same(blocks, pages, "the file has that many pages");
	scratch = block_of(file);
	/* Part of it goes out to the swap space. */
	p = map_file(file, PAGES / 4 * PAGE);
	for (i = 0; i < PAGES / 4; i++)
		*(volatile char *)(p + i * PAGE);
	madvise(p, PAGES / 4 * PAGE, MADV_PAGEOUT);
	ok(!frame_of(getpid(), (uintptr_t)p + PAGES / 8 * PAGE), "part of it is swapped out");
	munmap(p, PAGES / 4 * PAGE);
	fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	sealed = open(path, O_RDONLY | O_CLOEXEC);

	same(begin(fd, &scratch, &header), 0, "begin");
	test_refusals(fd, file);
	same(capture_shmem(fd, sealed, ID, &c), 0, "capture a sealed file");
	same(c.nr_pinned + c.nr_evacuated, pages, "all its pages are taken, and no holes");
	ok(c.nr_pinned, "some stay where they are (%llu, in %llu runs)", c.nr_pinned, c.nr_runs);
	ok(c.nr_evacuated, "some are evacuated from the scratch (%llu)", c.nr_evacuated);
	same(c.len, LEN, "it says how long the file is");
	same(file_blocks(file), blocks, "the file has neither more nor less than before");
	same(capture_shmem(fd, file, ID, &c), -EEXIST, "an id twice is refused");
	same(capture_shmem(fd, file, ID + 1, &c), -EEXIST, "a file twice is refused");
	same(keeper_call(fd, NVWA_IOC_SEAL, &seal), 0, "seal");
	same(seal.nr_pages, pages, "the seal counts all pages");
	check_record(header, &scratch);
	close(fd);
	close(sealed);
	close(file);
}

/* Only the beginning of the file; and of a file that was captured before, after all was undone. */
static void test_part(void)
{
	struct nvwa_range scratch = { 0, PAGE };
	struct nvwa_capture_shmem c;
	uint64_t header;
	int i, fd, file = file_make();

	for (i = 0; i < 3; i++) {
		fd = keeper_open();
		same(begin(fd, &scratch, &header), 0, "begin");
		c = (struct nvwa_capture_shmem){ .fd = file, .id = ID, .max_len = 10 * PAGE + 5 };
		same(keeper_call(fd, NVWA_IOC_CAPTURE_SHMEM, &c), 0, "capture a part");
		same(c.nr_pinned + c.nr_evacuated, 11, "it is taken");
		same(c.len, 10 * PAGE + 5, "and no more");
		close(fd);
	}
	ok(file_holds(file), "its contents are as before");
	same(ftruncate(file, 0), 0, "it can be cut off");
	same(file_blocks(file), 0, "and has no pages then");
	close(file);
}

/* A page that a device may write into: nothing is taken. */
static void test_pinned(void)
{
	struct nvwa_range scratch = { 0, PAGE };
	struct io_uring_params params = { 0 };
	struct nvwa_capture_shmem c;
	uint64_t header;
	int fd = keeper_open(), file = file_make(), ring;
	char *p = map_file(file, LEN);
	struct iovec {
		void *base;
		size_t len;
	} iov = { p + 7 * PAGE, PAGE };

	ring = syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0 || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1)) {
		printf("# a page pinned for DMA: this kernel has no such thing\n");
	} else {
		same(begin(fd, &scratch, &header), 0, "begin");
		same(capture_shmem(fd, file, ID, &c), -EBUSY, "a page pinned for DMA");
		same(c.busy_at, 7 * PAGE, "and it says where");
		same(capture_shmem(fd, file, ID, &c), -EBUSY, "and again");
	}
	munmap(p, LEN);
	close(ring);
	close(file);
	close(fd);
}

struct round {
	int file;
	struct nvwa_range scratch;
};

static void round_capture(void *ctx)
{
	struct round *r = ctx;
	struct nvwa_capture_shmem c;
	uint64_t header;
	int fd = keeper_open();

	if (begin(fd, &r->scratch, &header) || capture_shmem(fd, r->file, ID, &c))
		_exit(1);
}

/* The death of whoever holds the capture undoes it; nothing is lost over many rounds. */
static void test_rollback(void)
{
	struct round r = { .file = file_make() };
	long long lost;
	int err;

	r.scratch = block_of(r.file);
	lost = lost_in_rounds(round_capture, &r, &err);
	ok(!err, "capture by a process that dies, fifty times");
	ok(lost < LOST_MOST, "no memory is lost (%lld KiB)", lost);
	ok(file_holds(r.file), "the file's contents are as before");
	close(r.file);
}

/* A larger file, to see what a page costs (keeper_call() tells). */
static void test_large(void)
{
	struct nvwa_range scratch = { 0, PAGE };
	struct nvwa_capture_shmem c;
	uint64_t header;
	int fd = keeper_open(), file = memfd_create("large", MFD_CLOEXEC);
	char *p;

	if (file < 0 || ftruncate(file, 256 * MIB))
		bail("memfd");
	p = map_file(file, 256 * MIB);
	memset(p, 1, 256 * MIB);
	same(begin(fd, &scratch, &header), 0, "begin");
	same(capture_shmem(fd, file, ID, &c), 0, "capture 256 MiB");
	same(c.nr_pinned, 256 * MIB / PAGE, "all of it where it is (in %llu runs)", c.nr_runs);
	close(fd);
	munmap(p, 256 * MIB);
	close(file);
}

int test_shmem(void)
{
	test_capture();
	test_part();
	test_pinned();
	test_rollback();
	test_large();
	same(tainted(), 0, "the kernel is not tainted");
	return done();
}
