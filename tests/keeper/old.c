// SPDX-License-Identifier: GPL-2.0-only
/* The old kernel's side: BEGIN, CAPTURE, PUT, SEAL and what closing undoes. */
#include "keeper.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL		(1ULL << 45)		/* more than there is physical memory */
#define AT_PLAIN	0x100000000000ULL	/* read-write */
#define AT_NONE		0x110000000000ULL	/* PROT_NONE */
#define AT_READ		0x120000000000ULL	/* read-only */
#define AT_SHARED	0x130000000000ULL	/* shared copy-on-write between two children */
#define AT_HUGE		0x140000000000ULL	/* transparent huge pages */
#define AT_HOLES	0x150000000000ULL	/* every second page */

static const struct area {
	uint64_t addr;
	uint64_t pages;
	int prot;
} areas[] = {
	{ AT_PLAIN, 4096, PROT_READ | PROT_WRITE },
	{ AT_NONE, 64, PROT_NONE },
	{ AT_READ, 64, PROT_READ },
	{ AT_SHARED, 256, PROT_READ | PROT_WRITE },
	{ AT_HUGE, 1024, PROT_READ | PROT_WRITE },
	{ AT_HOLES, 512, PROT_READ | PROT_WRITE },
};
#define NR_AREAS	(sizeof(areas) / sizeof(areas[0]))

static uint64_t area_step(const struct area *a)
{
	return a->addr == AT_HOLES ? 2 : 1;
}

static void area_make(const struct area *a)
{
	char *p = mmap((void *)a->addr, a->pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	uint64_t i;

	if (p == MAP_FAILED)
		bail("mmap at %#llx", (unsigned long long)a->addr);
	if (a->addr == AT_HUGE)
		madvise(p, a->pages * PAGE, MADV_HUGEPAGE);
	else
		madvise(p, a->pages * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < a->pages; i += area_step(a))
		pattern_fill(p + i * PAGE, a->addr + i * PAGE, 1);
	mprotect(p, a->pages * PAGE, a->prot);
}

static bool areas_hold(void)
{
	bool holds = true;
	size_t k;
	uint64_t i;

	for (k = 0; k < NR_AREAS; k++) {
		char *p = (char *)areas[k].addr;

		mprotect(p, areas[k].pages * PAGE, PROT_READ | PROT_WRITE);
		for (i = 0; i < areas[k].pages; i += area_step(&areas[k]))
			holds &= pattern_holds(p + i * PAGE, areas[k].addr + i * PAGE, 1);
	}
	return holds;
}

/* A stopped child; when it goes on it exits with 0 if its memory is intact. */
static pid_t child_start(void)
{
	pid_t pid;
	size_t k;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		for (k = 0; k < NR_AREAS; k++) {
			if (areas[k].addr != AT_SHARED)
				area_make(&areas[k]);
		}
		raise(SIGSTOP);
		_exit(!areas_hold());
	}
	if (pid < 0)
		bail("fork");
	stop_wait(pid);
	return pid;
}

static int child_finish(pid_t pid)
{
	kill(pid, SIGCONT);
	return end_wait(pid);
}

/* The ranges of a child: whole areas, page by page where there are holes. */
static struct nvwa_range *child_ranges(uint32_t *nr)
{
	struct nvwa_range *r = calloc(NR_AREAS + areas[NR_AREAS - 1].pages, sizeof(*r));
	uint64_t i;
	size_t k;

	*nr = 0;
	for (k = 0; k < NR_AREAS; k++) {
		const struct area *a = &areas[k];

		if (area_step(a) == 1) {
			r[(*nr)++] = (struct nvwa_range){ a->addr, a->pages * PAGE };
			continue;
		}
		for (i = 0; i < a->pages; i += area_step(a))
			r[(*nr)++] = (struct nvwa_range){ a->addr + i * PAGE, PAGE };
	}
	return r;
}

static uint64_t child_pages(void)
{
	uint64_t nr = 0;
	size_t k;

	for (k = 0; k < NR_AREAS; k++)
		nr += areas[k].pages / area_step(&areas[k]);
	return nr;
}

/* Read physical memory through /proc/kcore. */
void read_phys(uint64_t phys, void *to, size_t len)
{
	static int fd = -1;
	static Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int i;

	if (fd < 0) {
		fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
			bail("cannot read /proc/kcore");
	}
	for (i = 0; i < eh.e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) != sizeof(ph))
			bail("cannot read /proc/kcore");
		if (ph.p_type != PT_LOAD || ph.p_paddr == (Elf64_Addr)-1 || phys < ph.p_paddr ||
		    phys - ph.p_paddr + len > ph.p_memsz)
			continue;
		if (pread(fd, to, len, ph.p_offset + phys - ph.p_paddr) != (ssize_t)len)
			bail("cannot read physical memory");
		return;
	}
	bail("physical memory at %#llx is not in /proc/kcore", (unsigned long long)phys);
}

/* The 128 MiB of memory that have most of a child's pages: a good scratch to evacuate from. */
static struct nvwa_range busiest_block(pid_t pid)
{
	static unsigned int count[4096];
	unsigned int best = 1;
	uint64_t i, block;

	memset(count, 0, sizeof(count));
	for (i = 0; i < areas[0].pages; i++) {
		block = frame_of(pid, areas[0].addr + i * PAGE) * PAGE / (128 * MIB);
		if (block < 4096 && ++count[block] > count[best])
			best = block;
	}
	return (struct nvwa_range){ best * 128 * MIB, 128 * MIB };
}

/* KiB of a process's memory that are huge pages. */
static long long anon_huge(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	return proc_kib(path, "AnonHugePages");
}

int begin(int fd, struct nvwa_range *scratch, uint64_t *header)
{
	struct nvwa_range hidden[2], *r = hidden;
	struct nvwa_begin b = {
		.hidden = (uintptr_t)hidden,
		.nonce = "0123456789abcde",
		.writer = "keeper test",
	};
	int err;

	if (scratch->start)
		*r++ = (struct nvwa_range){ 0, scratch->start };
	*r++ = (struct nvwa_range){ scratch->start + scratch->len, ALL };
	b.nr_hidden = r - hidden;
	err = keeper_call(fd, NVWA_IOC_BEGIN, &b);
	*header = b.header_phys;
	return err;
}

static int capture(int fd, pid_t pid, struct nvwa_range *r, uint32_t nr, struct nvwa_capture *c)
{
	*c = (struct nvwa_capture){ .pid = pid, .nr_ranges = nr, .ranges = (uintptr_t)r };
	return keeper_call(fd, NVWA_IOC_CAPTURE, c);
}

static int put(int fd, const char *name, const void *data, size_t len)
{
	struct nvwa_put p = {
		.name = (uintptr_t)name,
		.name_len = strlen(name),
		.data = (uintptr_t)data,
		.data_len = len,
	};

	return keeper_call(fd, NVWA_IOC_PUT, &p);
}

/* What is hidden has to be said, as ranges of whole pages, sorted and apart. */
static void test_hidden(int fd)
{
	struct nvwa_range hidden[2] = { { MIB, MIB }, { MIB, MIB } };
	struct nvwa_begin b = { .hidden = (uintptr_t)hidden };

	same(keeper_call(fd, NVWA_IOC_BEGIN, &b), -EINVAL, "no hidden memory is refused");
	b.nr_hidden = 2;
	same(keeper_call(fd, NVWA_IOC_BEGIN, &b), -EINVAL, "ranges that overlap are refused");
	hidden[1].start += MIB + 1;
	same(keeper_call(fd, NVWA_IOC_BEGIN, &b), -EINVAL, "a part of a page is refused");
	b.hidden = 8;
	same(keeper_call(fd, NVWA_IOC_BEGIN, &b), -EFAULT, "ranges that are not there are refused");
}

static void test_refusals(int fd, pid_t pid)
{
	struct nvwa_info info = { 0 };
	struct nvwa_range two[2] = { { AT_PLAIN, PAGE }, { AT_PLAIN, PAGE } };
	struct nvwa_range hole = { AT_HOLES, 2 * PAGE };
	struct nvwa_range gone = { 0x170000000000ULL, PAGE };
	struct nvwa_range odd = { AT_PLAIN + 1, PAGE };
	struct nvwa_capture c;
	struct nvwa_begin b = { 0 };
	uint64_t header;
	int other = keeper_open();

	info.size = 4;
	same(ioctl(fd, NVWA_IOC_INFO, &info) ? errno : 0, EINVAL, "a wrong size is refused");
	same(begin(other, two, &header), -EBUSY, "a second capture is refused");
	same(capture(other, pid, two, 1, &c), -EINVAL, "a capture of another file is refused");
	b.flags = 1;
	same(keeper_call(other, NVWA_IOC_BEGIN, &b), -EINVAL, "unknown flags are refused");
	same(capture(fd, pid, two, 2, &c), -EINVAL, "overlapping ranges are refused");
	same(capture(fd, pid, &odd, 1, &c), -EINVAL, "an address inside a page is refused");
	same(capture(fd, pid, &hole, 1, &c), -EFAULT, "a hole is refused");
	same(capture(fd, pid, &gone, 1, &c), -EFAULT, "an address without memory is refused");
	same(capture(fd, 0x3ffffff, two, 1, &c), -ESRCH, "no such process");
	same(put(fd, "../etc/passwd", "x", 1), -EINVAL, "a file name with .. is refused");
	same(put(fd, "/etc/passwd", "x", 1), -EINVAL, "a file name with / in front is refused");
	same(put(fd, "a//b", "x", 1), -EINVAL, "an empty part of a file name is refused");
	close(other);
}

static int set_quiet(int fd, const void *drivers, uint32_t nr)
{
	struct nvwa_quiet q = { .drivers = (uintptr_t)drivers, .nr_drivers = nr };

	return keeper_call(fd, NVWA_IOC_QUIET, &q);
}

static void test_quiet(int fd)
{
	static char names[NVWA_MAX_DRIVERS + 1][NVWA_DRIVER_NAME_LEN];
	struct nvwa_quiet odd = { .flags = 1 };
	int other = keeper_open();
	int i;

	for (i = 0; i <= NVWA_MAX_DRIVERS; i++)
		snprintf(names[i], sizeof(names[i]), "no-driver-%d", i);
	same(set_quiet(other, names, 1), -EINVAL, "quiet: a list is refused where no capture is");
	close(other);
	same(keeper_call(fd, NVWA_IOC_QUIET, &odd), -EINVAL, "quiet: unknown flags are refused");
	same(set_quiet(fd, names, NVWA_MAX_DRIVERS + 1), -EINVAL, "quiet: too many are refused");
	same(set_quiet(fd, (void *)1, 2), -EFAULT, "quiet: a list that is not there is refused");
	same(set_quiet(fd, names, NVWA_MAX_DRIVERS), 0, "quiet: a list of 256 is taken");
	same(set_quiet(fd, NULL, 0), 0, "quiet: an empty list takes its place");
	memset(names[1], 'x', sizeof(names[1]));
	same(set_quiet(fd, names, 2), -EINVAL, "quiet: a name without an end is refused");
	names[1][0] = '\0';
	same(set_quiet(fd, names, 2), -EINVAL, "quiet: an empty name is refused");
	same(set_quiet(fd, names, 1), 0, "quiet: a list is taken after it");
}

static bool apart(uint64_t start, uint64_t len, const struct nvwa_range *from)
{
	return start + len <= from->start || start >= from->start + from->len;
}

/*
 * Read back a page section and compare every page with what the child has; none
 * lies in the memory that the next kernel will not add.
 */
static bool runs_hold(const struct nvwa_run *runs, uint64_t nr, const struct nvwa_range *scratch,
		      uint64_t *pages)
{
	static char page[NVWA_PAGE_SIZE];
	uint64_t i, k;

	for (i = 0; i < nr; i++) {
		if (!apart(runs[i].pfn * PAGE, runs[i].nr * PAGE, scratch))
			return false;
		for (k = 0; k < runs[i].nr; k++, (*pages)++) {
			read_phys((runs[i].pfn + k) * PAGE, page, PAGE);
			if (!pattern_holds(page, runs[i].addr + k * PAGE, 1))
				return false;
		}
	}
	return true;
}

/* Pages of huge runs; each is whole and aligned. */
static uint64_t huge_pages(const struct nvwa_run *runs, uint64_t nr)
{
	uint64_t i, pages = 0;

	for (i = 0; i < nr; i++) {
		uint64_t all = runs[i].addr / PAGE | runs[i].pfn | runs[i].nr;

		if (runs[i].flags == NVWA_RUN_HUGE)
			pages += all % NVWA_HUGE_PAGES ? 1ULL << 40 : runs[i].nr;
		else if (runs[i].flags)
			pages += 1ULL << 40;
	}
	return pages;
}

static void test_record(uint64_t header, const struct nvwa_seal *seal, const char *file,
			size_t file_len, const struct nvwa_range *scratch, uint64_t want_huge)
{
	static struct nvwa_header h;
	struct nvwa_section *s;
	struct sha256 sha;
	uint8_t digest[32], want[32];
	uint64_t pos = 0, pages = 0, nr_files = 0, huge = 0, i;
	bool outside = true;
	char *stream = malloc(seal->record_len);

	read_phys(header, &h, sizeof(h));
	ok(h.magic == NVWA_RECORD_MAGIC && h.version == NVWA_RECORD_VERSION &&
	   h.header_len == sizeof(h) && !h.flags, "the header is there");
	same(h.record_len, seal->record_len, "the header tells the record's length");
	same(h.nr_pages, seal->nr_pages, "the header tells the number of pages");
	ok(!strcmp(h.writer, "keeper test"), "the header tells the writer");
	memcpy(want, h.header_sha256, 32);
	memset(h.header_sha256, 0, 32);
	sha256_init(&sha);
	sha256_update(&sha, &h, offsetof(struct nvwa_header, late));
	sha256_final(&sha, digest);
	ok(!memcmp(digest, want, 32), "the header's checksum is right");
	for (i = 0; i < h.nr_chunks; i++) {
		read_phys(h.chunks[i].phys, stream + pos, h.chunks[i].len);
		pos += h.chunks[i].len;
		outside &= apart(h.chunks[i].phys, h.chunks[i].len, scratch);
	}
	ok(outside && apart(header, PAGE, scratch), "the record lies in hidden memory");
	sha256_init(&sha);
	sha256_update(&sha, stream, pos);
	sha256_final(&sha, digest);
	ok(!memcmp(digest, h.record_sha256, 32), "the record's checksum is right");
	for (pos = 0; pos < h.record_len;) {
		s = (void *)(stream + pos);
		pos += sizeof(*s) + (s->name_len + 7) / 8 * 8;
		if (s->kind == NVWA_SECTION_PAGES)
			huge += huge_pages((void *)(stream + pos),
					   s->data_len / sizeof(struct nvwa_run));
		if (s->kind == NVWA_SECTION_PAGES)
			ok(runs_hold((void *)(stream + pos), s->data_len / sizeof(struct nvwa_run),
				     scratch, &pages),
			   "the pages of process %d are where the record says, in hidden memory",
			   s->pid);
		else if (s->data_len == file_len && !memcmp(stream + pos, file, file_len))
			nr_files++;
		pos += (s->data_len + 7) / 8 * 8;
	}
	same(pages, seal->nr_pages, "every page is in the record");
	same(nr_files, 2, "both files are in the record");
	same(huge, want_huge, "huge pages are in it as huge ones");
	free(stream);
}

/* The seal is refused as long as the next kernel has no room; leaves just enough in it. */
static void test_room(int fd, struct nvwa_seal *seal)
{
	uint64_t least;

	same(keeper_call(fd, NVWA_IOC_SEAL, seal), -EFBIG, "no room in the next kernel is refused");
	same(keeper_state(fd), NVWA_STATE_CAPTURING, "and nothing is sealed");
	least = seal->needed;
	ok(seal->record_len > 18 * MIB && least > seal->record_len,
	   "it says how much is needed (%llu) of how much (%llu)", (unsigned long long)least,
	   (unsigned long long)seal->record_len);
	seal->later = 1ULL << 40;
	same(keeper_call(fd, NVWA_IOC_SEAL, seal), -EFBIG, "what comes later is counted");
	ok(seal->needed > (1ULL << 39) && seal->needed < (1ULL << 40) + least,
	   "less what added memory has free (%llu)", (unsigned long long)seal->needed);
	seal->later = 0;
	seal->room = least - 1;
	same(keeper_call(fd, NVWA_IOC_SEAL, seal), -EFBIG, "a byte too little is refused");
	same(seal->needed, least, "for the same need");
	seal->room = least;
}

static void test_capture(void)
{
	struct nvwa_capture c1, c2;
	struct nvwa_seal seal = { 0 };
	struct nvwa_range *ranges, scratch, segment;
	uint64_t header, pages = child_pages();
	char path[64], *file;
	long long rss;
	uint32_t nr;
	pid_t a, b;
	size_t file_len = 9 * MIB + 5;
	int fd = keeper_open();

	area_make(&areas[3]);
	a = child_start();
	b = child_start();
	ranges = child_ranges(&nr);
	scratch = busiest_block(a);
	snprintf(path, sizeof(path), "/proc/%d/status", a);
	rss = proc_kib(path, "VmRSS");
	file = malloc(file_len);
	memset(file, 0x5a, file_len);

	same(keeper_state(fd), NVWA_STATE_IDLE, "idle at first");
	test_hidden(fd);
	same(begin(fd, &scratch, &header), 0, "begin");
	same(keeper_state(fd), NVWA_STATE_CAPTURING, "capturing");
	test_refusals(fd, a);
	test_quiet(fd);

	same(capture(fd, a, ranges, nr, &c1), 0, "capture a process");
	same(c1.nr_pinned + c1.nr_evacuated + c1.nr_unshared, pages, "all its pages are taken");
	ok(c1.nr_evacuated > 0, "some are evacuated from memory that is not hidden (%llu)",
	   c1.nr_evacuated);
	ok(c1.nr_pinned > 0, "some stay where they are (%llu, in %llu runs in all)",
	   c1.nr_pinned, c1.nr_runs);
	same(proc_kib(path, "VmRSS"), rss, "its memory is neither more nor less than before");
	same(capture(fd, a, ranges, nr, &c2), -EEXIST, "a process twice is refused");
	same(capture(fd, b, ranges, nr, &c2), 0, "capture a second process");
	same(c2.nr_unshared, areas[3].pages, "pages that both share are copied for the second");
	same(put(fd, "apps/one/file", file, file_len), 0, "put a file");
	same(put(fd, "bad", (void *)8, 5000), -EFAULT, "a file that cannot be read is refused");
	same(put(fd, "two", file, file_len), 0, "put another file");

	segment = (struct nvwa_range){ frame_of(a, AT_READ) * PAGE, PAGE };
	if (segment.start >= scratch.start && segment.start < scratch.start + scratch.len)
		segment.start = header;
	seal.segments = (uintptr_t)&segment;
	seal.nr_segments = 1;
	same(keeper_call(fd, NVWA_IOC_SEAL, &seal), -EBADSLT, "a segment over a page is refused");
	segment = (struct nvwa_range){ header, PAGE };
	same(keeper_call(fd, NVWA_IOC_SEAL, &seal), -EBADSLT,
	     "a segment over the record is refused");
	segment = scratch;
	test_room(fd, &seal);
	same(keeper_call(fd, NVWA_IOC_SEAL, &seal), 0, "seal");
	same(keeper_state(fd), NVWA_STATE_SEALED, "sealed");
	same(seal.nr_pages, 2 * pages, "the seal counts all pages");
	same(put(fd, "late", file, 1), -EINVAL, "nothing is added after the seal");
	test_record(header, &seal, file, file_len, &scratch,
		    (anon_huge(a) + anon_huge(b)) * 1024 / PAGE);
	close(fd);

	same(child_finish(a), 0, "the first process goes on with its memory intact");
	same(child_finish(b), 0, "the second process goes on with its memory intact");
	munmap((void *)AT_SHARED, areas[3].pages * PAGE);
	free(ranges);
	free(file);
}

struct round {
	pid_t child;
	struct nvwa_range *ranges, scratch;
	uint32_t nr;
};

static void round_capture(void *ctx)
{
	struct round *r = ctx;
	struct nvwa_capture c;
	uint64_t header;
	int fd = keeper_open();

	if (begin(fd, &r->scratch, &header) || capture(fd, r->child, r->ranges, r->nr, &c))
		_exit(1);
}

/* The death of whoever holds the capture undoes it; nothing is lost over many rounds. */
static void test_rollback(void)
{
	struct round r;
	long long lost;
	int fd, err;

	area_make(&areas[3]);
	r.child = child_start();
	r.ranges = child_ranges(&r.nr);
	r.scratch = busiest_block(r.child);
	lost = lost_in_rounds(round_capture, &r, &err);
	ok(!err, "capture by a process that dies, fifty times");
	ok(lost < LOST_MOST, "no memory is lost (%lld KiB)", lost);
	fd = keeper_open();
	same(keeper_state(fd), NVWA_STATE_IDLE, "idle again");
	close(fd);
	same(child_finish(r.child), 0, "the process goes on with its memory intact");
	munmap((void *)AT_SHARED, areas[3].pages * PAGE);
	free(r.ranges);
}

/* A larger process, to see what a page costs (keeper_call() tells). */
static void test_large(void)
{
	struct nvwa_range scratch = { 0, PAGE }, range = { AT_PLAIN, 128 * MIB };
	struct nvwa_capture c;
	uint64_t header;
	pid_t pid;
	int fd = keeper_open();

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		char *p = mmap((void *)AT_PLAIN, range.len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p == MAP_FAILED)
			_exit(1);
		madvise(p, range.len, MADV_NOHUGEPAGE);
		memset(p, 1, range.len);
		raise(SIGSTOP);
		_exit(0);
	}
	stop_wait(pid);
	same(begin(fd, &scratch, &header), 0, "begin");
	same(capture(fd, pid, &range, 1, &c), 0, "capture 128 MiB");
	same(c.nr_pinned, range.len / PAGE, "all of it where it is (in %llu runs)", c.nr_runs);
	close(fd);
	same(child_finish(pid), 0, "the process goes on");
}

int test_old(void)
{
	test_capture();
	test_large();
	test_rollback();
	test_vmas();
	test_park();
	same(tainted(), 0, "the kernel is not tainted");
	return done();
}
