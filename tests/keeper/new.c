// SPDX-License-Identifier: GPL-2.0-only
/*
 * The new kernel's side without an old kernel: a part of memory is hidden from
 * this one (memmap=...$...), and a record is written there by hand.
 */
#include "new.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_add(struct runs *r, uint64_t addr, uint64_t pfn, uint32_t nr)
{
	r->v[r->nr++] = (struct nvwa_run){ addr, pfn, nr, 0 };
}

/* The processes of the good record; their pages get their contents here too. */
static void record_make(struct record *r)
{
	static struct runs runs;
	uint64_t i, k, pages;
	int pid;

	memset(r, 0, sizeof(*r));
	section(r, NVWA_SECTION_FILE, 0, "apps/one/meta.json", "{}\n", 3, 0);
	for (pid = PID_MAIN; pid <= PID_AREAS; pid++) {
		runs.nr = 0;
		switch (pid) {
		case PID_MAIN:
			run_add(&runs, AT_PLAIN, pfn_at(16 * MIB), 5000);
			for (i = 0; i < 64; i++)
				run_add(&runs, AT_PLAIN + (5000 + i) * PAGE,
					pfn_at(40 * MIB) + 64 - i, 1);
			run_add(&runs, AT_NONE, pfn_at(41 * MIB), 100);
			for (i = 0; i < 100; i++)
				run_add(&runs, AT_READ + i * PAGE, pfn_at(42 * MIB) + 2 * i, 1);
			run_add(&runs, AT_TOUCHED, pfn_at(44 * MIB), 16);
			run_add(&runs, AT_FILE, pfn_at(45 * MIB), 8);
			run_add(&runs, AT_HUGE + PAGE, pfn_at(46 * MIB), 700);
			break;
		case PID_UNCLAIMED:
			run_add(&runs, AT_PLAIN, pfn_at(130 * MIB), 1000);
			break;
		case PID_NOT_ADDED:
			run_add(&runs, AT_PLAIN, pfn_at(hidden.len - 8 * MIB), 100);
			break;
		case PID_NOWHERE:
			run_add(&runs, AT_NOWHERE, pfn_at(60 * MIB), 10);
			break;
		case PID_AREAS:
			runs.nr = areas_record(runs.v);
			break;
		}
		for (i = 0, pages = 0; i < runs.nr; i++) {
			pages += runs.v[i].nr;
			for (k = 0; k < runs.v[i].nr; k++)
				pattern_fill(at((runs.v[i].pfn + k) * PAGE - hidden.base),
					     runs.v[i].addr + k * PAGE, pid);
		}
		section(r, NVWA_SECTION_PAGES, pid, "", runs.v, runs.nr * sizeof(runs.v[0]), pages);
	}
	shmem_record(r);
	section(r, NVWA_SECTION_FILE, 0, "ram", hidden.mem, 300000, 0);
}

/* --- records that must be refused --- */

static struct nvwa_header *the_header(void)
{
	return at(HEADER_AT);
}

static void test_header_refusals(int fd, struct record *r)
{
	struct nvwa_header *h = the_header();
	struct nvwa_adopt a = { .header_phys = 32 * MIB };

	same(keeper_call(fd, NVWA_IOC_ADOPT, &a), -ENOENT, "a header in this kernel's RAM");
	a.header_phys = 0xfee00000;
	same(keeper_call(fd, NVWA_IOC_ADOPT, &a), -ENOENT, "a header in a device");
	a.header_phys = hidden.base + HEADER_AT + 8;
	same(keeper_call(fd, NVWA_IOC_ADOPT, &a), -EINVAL, "a header inside a page");
	a.header_phys = ~0xfffULL;
	same(keeper_call(fd, NVWA_IOC_ADOPT, &a), -EINVAL, "a header beyond all memory");
	a.header_phys = hidden.base + CHUNKS_AT + 64 * MIB;
	same(keeper_call(fd, NVWA_IOC_ADOPT, &a), -ENOENT, "no record at that place");

	record_write(r);
	a = (struct nvwa_adopt){ .header_phys = hidden.base + HEADER_AT, .nonce = "another" };
	same(keeper_call(fd, NVWA_IOC_ADOPT, &a), -EKEYREJECTED, "another nonce");

#define REFUSED(change, error, what) do {			\
	record_write(r);					\
	change;							\
	same(adopt(fd, &a), error, what);			\
} while (0)
	REFUSED(h->magic ^= 1, -ENOENT, "another magic");
	REFUSED(h->version--, -EPROTONOSUPPORT, "another version");
	REFUSED(h->header_len--, -EPROTONOSUPPORT, "another header length");
	REFUSED(h->chunks[1].len ^= 1, -EBADMSG, "a flipped bit in the header");
	REFUSED(h->reserved[7] = 1, -EBADMSG, "a flipped bit at the header's end");
	REFUSED(*(char *)at(CHUNKS_AT + 70) ^= 4, -EBADMSG, "a flipped bit in the record");
	REFUSED(h->flags = 1; header_seal(h), -EINVAL, "unknown flags");
	REFUSED(h->reserved[7] = 1; header_seal(h), -EINVAL, "unknown fields");
	REFUSED(h->nr_pages++; header_seal(h), -EINVAL, "a wrong number of pages");
	REFUSED(h->nr_chunks = 0; header_seal(h), -EINVAL, "no chunks");
	REFUSED(h->nr_chunks--; header_seal(h), -EINVAL, "a chunk too few");
	REFUSED(h->nr_chunks = 4000000; header_seal(h), -EINVAL, "too many chunks");
	REFUSED(h->record_len += 8; header_seal(h), -EINVAL, "a record longer than its chunks");
	REFUSED(h->record_len = ~0ULL; header_seal(h), -EINVAL, "an endless record");
	REFUSED(h->chunks[0].phys = 32 * MIB; header_seal(h), -EINVAL,
		"a chunk in this kernel's RAM");
	REFUSED(h->chunks[0].phys = 1ULL << 60; header_seal(h), -EINVAL,
		"a chunk beyond all memory");
	REFUSED(h->chunks[0].phys = 0xfee00000; header_seal(h), -EINVAL, "a chunk in a device");
	REFUSED(h->chunks[0].phys += 8; header_seal(h), -EINVAL, "a chunk inside a page");
	REFUSED(h->chunks[0].len = 1ULL << 40; header_seal(h), -EINVAL, "an endless chunk");
	REFUSED(h->chunks[1].phys = h->chunks[0].phys; header_seal(h), -EBADMSG,
		"a chunk in another's place");
#undef REFUSED
}

/* A whole record of one section, with a right checksum. */
static int adopt_section(int fd, const struct nvwa_section *s, const void *data, size_t len,
			 uint64_t nr_pages)
{
	static struct record r;
	struct nvwa_adopt a;

	r.len = 0;
	r.nr_pages = nr_pages;
	memcpy(r.stream, s, sizeof(*s));
	memcpy(r.stream + sizeof(*s), data, len);
	r.len = sizeof(*s) + len;
	record_write(&r);
	return adopt(fd, &a);
}

static void test_stream_refusals(int fd)
{
	struct nvwa_section s;
	struct nvwa_run run[2];
	struct {
		struct nvwa_shmem head;
		struct nvwa_run run[2];
	} shmem;
	uint64_t good = pfn_at(64 * MIB);
	char name[16] = "";

#define PAGES(error, what, n, ...) do {						\
	memset(run, 0, sizeof(run));						\
	memcpy(run, (struct nvwa_run[]){ __VA_ARGS__ },				\
	       sizeof((struct nvwa_run[]){ __VA_ARGS__ }));			\
	s = (struct nvwa_section){ .kind = 1, .pid = 5, .data_len = (n) * 24 };	\
	same(adopt_section(fd, &s, run, (n) * 24, run[0].nr + run[1].nr), error, what); \
} while (0)
	PAGES(-EINVAL, "a page of two places", 2, { AT_PLAIN, good, 2, 0 },
	      { AT_PLAIN + 2 * PAGE, good + 1, 1, 0 });
	PAGES(-EINVAL, "a page in this kernel's RAM", 1, { AT_PLAIN, 32 * MIB / PAGE, 1, 0 });
	PAGES(-EINVAL, "a page of a device", 1, { AT_PLAIN, 0xfee00, 1, 0 });
	PAGES(-EINVAL, "a page where there is nothing", 1, { AT_PLAIN, 0x800000, 1, 0 });
	PAGES(-EINVAL, "a run that reaches into this kernel's RAM", 1,
	      { AT_PLAIN, good, (2048 * MIB) / PAGE, 0 });
	PAGES(-EINVAL, "a page that is also the header", 1, { AT_PLAIN, pfn_at(HEADER_AT), 1, 0 });
	PAGES(-EINVAL, "a page that is also of a chunk", 1, { AT_PLAIN, pfn_at(CHUNKS_AT), 1, 0 });
	PAGES(-EINVAL, "a page beyond all memory", 1, { AT_PLAIN, ~0ULL - 5, 1, 0 });
	PAGES(-EINVAL, "runs that are not sorted", 2, { AT_PLAIN + 8 * PAGE, good, 1, 0 },
	      { AT_PLAIN, good + 1, 1, 0 });
	PAGES(-EINVAL, "runs that overlap", 2, { AT_PLAIN, good, 2, 0 },
	      { AT_PLAIN + PAGE, good + 2, 1, 0 });
	PAGES(-EINVAL, "an empty run", 1, { AT_PLAIN, good, 0, 0 });
	PAGES(-EINVAL, "a run with unknown flags", 1, { AT_PLAIN, good, 512, 2 });
	PAGES(-EINVAL, "a huge page that is too small", 1, { AT_PLAIN, good, 511, 1 });
	PAGES(-EINVAL, "a huge page and a half", 1, { AT_PLAIN, good, 768, 1 });
	PAGES(-EINVAL, "a huge page at an odd address", 1, { AT_PLAIN + PAGE, good, 512, 1 });
	PAGES(-EINVAL, "a huge page in odd frames", 1, { AT_PLAIN, good + 256, 512, 1 });
	PAGES(-EINVAL, "an address inside a page", 1, { AT_PLAIN + 5, good, 1, 0 });
	PAGES(-EINVAL, "an address of the kernel's", 1,
	      { 0xffff800000000000ULL, good, 1, 0 });
	PAGES(-EINVAL, "a run that goes beyond user space", 1,
	      { 0xffffffffffe000ULL, good, 100, 0 });
#undef PAGES
#define SHMEM(error, what, the_id, the_len, bytes, ...) do {				\
	memset(&shmem, 0, sizeof(shmem));					\
	shmem.head = (struct nvwa_shmem){ .id = the_id, .len = the_len };	\
	memcpy(shmem.run, (struct nvwa_run[]){ __VA_ARGS__ },			\
	       sizeof((struct nvwa_run[]){ __VA_ARGS__ }));			\
	s = (struct nvwa_section){ .kind = NVWA_SECTION_SHMEM, .data_len = 24 + (bytes) }; \
	same(adopt_section(fd, &s, &shmem, sizeof(shmem.head) + (bytes),	\
			   shmem.run[0].nr + shmem.run[1].nr), error, what);	\
} while (0)
	SHMEM(-EINVAL, "a page of two places in shared memory", 5, 1ULL << 30, 48,
	      { 0, good, 2, 0 }, { 2 * PAGE, good + 1, 1, 0 });
	SHMEM(-EINVAL, "offsets that are not sorted", 5, 1ULL << 30, 48, { 8 * PAGE, good, 1, 0 },
	      { 0, good + 1, 1, 0 });
	SHMEM(-EINVAL, "offsets that overlap", 5, 1ULL << 30, 48, { 0, good, 2, 0 },
	      { PAGE, good + 2, 1, 0 });
	SHMEM(-EINVAL, "an offset behind the end", 5, 3 * PAGE, 24, { 3 * PAGE, good, 1, 0 });
	SHMEM(-EINVAL, "a run that goes beyond the end", 5, 3 * PAGE, 24, { 2 * PAGE, good, 2, 0 });
	SHMEM(-EINVAL, "shared memory of a size that cannot be", 5, ~0ULL, 24, { 0, good, 1, 0 });
	SHMEM(-EINVAL, "a page of shared memory in this kernel's RAM", 5, PAGE, 24,
	      { 0, 32 * MIB / PAGE, 1, 0 });
	SHMEM(-EINVAL, "a page of shared memory that is also of a chunk", 5, PAGE, 24,
	      { 0, pfn_at(CHUNKS_AT), 1, 0 });
	SHMEM(-EINVAL, "shared memory without an id", 0, PAGE, 24, { 0, good, 1, 0 });
	SHMEM(-EINVAL, "a huge page of shared memory", 5, 1ULL << 30, 24, { 0, good, 512, 1 });
	SHMEM(-EINVAL, "half a run of shared memory", 5, PAGE, 12, { 0, good, 1, 0 });
#undef SHMEM
#define SECTION(error, what, len, ...) do {					\
	s = (struct nvwa_section){ __VA_ARGS__ };				\
	same(adopt_section(fd, &s, name, len, 0), error, what);			\
} while (0)
	SECTION(-EINVAL, "an unknown section", 0, .kind = 4);
	SECTION(-EINVAL, "a section with flags", 0, .kind = 1, .pid = 5, .flags = 1);
	SECTION(-EINVAL, "a section that is cut off", 8, .kind = 1, .pid = 5, .data_len = 24);
	SECTION(-EINVAL, "an endless section", 8, .kind = 1, .pid = 5, .data_len = ~0ULL);
	SECTION(-EINVAL, "an endless section's padding", 8, .kind = 1, .pid = 5,
		.data_len = ~0ULL - 6);
	SECTION(-EINVAL, "half a run", 16, .kind = 1, .pid = 5, .data_len = 12);
	SECTION(-EINVAL, "pages of nobody", 0, .kind = 1, .pid = 0);
	SECTION(-EINVAL, "shared memory of a process", 0, .kind = 3, .pid = 5);
	SECTION(-EINVAL, "shared memory that is not described", 16, .kind = 3, .data_len = 16);
	SECTION(-EINVAL, "a file without a name", 0, .kind = 2);
	SECTION(-EINVAL, "a file name longer than the record", 8, .kind = 2, .name_len = 200);
	SECTION(-EINVAL, "an endless file name", 8, .kind = 2, .name_len = ~0U);
	memcpy(name, "../x", 4);
	SECTION(-EINVAL, "a file name with ..", 8, .kind = 2, .name_len = 4);
	memcpy(name, "x/.\0", 4);
	SECTION(-EINVAL, "a file name with .", 8, .kind = 2, .name_len = 3);
	memcpy(name, "/x\0\0", 4);
	SECTION(-EINVAL, "a file name with / in front", 8, .kind = 2, .name_len = 2);
	memcpy(name, "xyzz", 4);
	SECTION(-EINVAL, "padding that is not zero", 8, .kind = 2, .name_len = 3);
#undef SECTION
}

/* A page that two sections name, and an id of two sections. */
static void test_twice(int fd)
{
	static struct record r;
	struct nvwa_run run = { AT_PLAIN, pfn_at(64 * MIB), 1, 0 };
	struct {
		struct nvwa_shmem head;
		struct nvwa_run run;
	} shmem = { { 5, PAGE, 0 }, { 0, run.pfn, 1, 0 } };
	struct nvwa_adopt a;

	section(&r, NVWA_SECTION_PAGES, 5, "", &run, sizeof(run), 1);
	section(&r, NVWA_SECTION_SHMEM, 0, "", &shmem, sizeof(shmem), 1);
	record_write(&r);
	same(adopt(fd, &a), -EINVAL, "a page of a process and of shared memory");
	r.len = r.nr_pages = 0;
	section(&r, NVWA_SECTION_PAGES, 5, "", &run, sizeof(run), 1);
	section(&r, NVWA_SECTION_PAGES, 6, "", &run, sizeof(run), 1);
	record_write(&r);
	same(adopt(fd, &a), -EINVAL, "a page of two processes");
	r.len = r.nr_pages = 0;
	section(&r, NVWA_SECTION_PAGES, 5, "", &run, sizeof(run), 1);
	run.pfn++;
	section(&r, NVWA_SECTION_PAGES, 5, "", &run, sizeof(run), 1);
	record_write(&r);
	run.pfn--;
	same(adopt(fd, &a), -EINVAL, "a process twice");
	memset(&r, 0, sizeof(r));
	section(&r, NVWA_SECTION_SHMEM, 0, "", &shmem, sizeof(shmem), 1);
	shmem.run.pfn++;
	section(&r, NVWA_SECTION_SHMEM, 0, "", &shmem, sizeof(shmem), 1);
	record_write(&r);
	same(adopt(fd, &a), -EINVAL, "shared memory twice");
}

/* --- the good record --- */

static int add_memory(int fd, uint64_t start, uint64_t len, uint64_t *held)
{
	struct nvwa_add_memory m = { .nid = -1, .start = start, .len = len };
	int err = keeper_call(fd, NVWA_IOC_ADD_MEMORY, &m);

	*held = m.nr_held;
	return err;
}

static void test_add_memory(int fd)
{
	long long total = proc_kib("/proc/meminfo", "MemTotal");
	uint64_t most = hidden.len - 128 * MIB, held, nr_held, here;

	same(add_memory(fd, hidden.base + PAGE, most, &held), -EINVAL, "part of a memory block");
	same(add_memory(fd, 256 * MIB, 128 * MIB, &held), 0, "a block that is there is skipped");
	write_text("/sys/devices/system/memory/auto_online_blocks", "offline");
	same(add_memory(fd, hidden.base, 128 * MIB, &held), -ENOTCONN,
	     "memory that stays offline is refused");
	write_text("/sys/devices/system/memory/auto_online_blocks", "online");
	same(add_memory(fd, hidden.base, most, &held), 0, "add hidden memory");
	/* 1 + 4 pieces of the record: header, 5000, 65536, 100001 and the rest. */
	here = PAGES_MAIN + 1000 + 10 + PAGES_SHMEM + PAGES_SHMEM_UNCLAIMED - 10 +
	       areas_pages();
	ok(held > here && held < here + 500, "pages are held back (%llu)",
	   (unsigned long long)held);
	nr_held = held;
	same(proc_kib("/proc/meminfo", "MemTotal") - total, (most - held * PAGE) / 1024,
	     "the rest is there");
	same(frames_withheld(hidden.base, most), nr_held, "they are withheld, and no others");
	same(add_memory(fd, hidden.base, most, &held), 0, "adding it again does nothing");
	same(held, 0, "and holds nothing back");
}

static int insert(int fd, int record_pid, pid_t pid, struct nvwa_insert *i)
{
	*i = (struct nvwa_insert){ .record_pid = record_pid, .pid = pid };
	return keeper_call(fd, NVWA_IOC_INSERT, i);
}

/* Are the frames of a stopped process those of the record? */
static uint64_t wrong_frames(pid_t pid, uint64_t addr, uint64_t pfn, uint64_t nr, int step)
{
	uint64_t i, wrong = 0;

	for (i = 0; i < nr; i++)
		wrong += frame_of(pid, addr + i * PAGE) != pfn + i * step;
	return wrong;
}

static void test_insert(int fd)
{
	struct nvwa_insert i;
	pid_t child = insert_child_start();
	char path[64];
	long long before;

	snprintf(path, sizeof(path), "/proc/%d/status", child);
	before = proc_kib(path, "RssAnon");
	same(insert(fd, 77, child, &i), -ENOENT, "a process that the record does not have");
	same(insert(fd, PID_MAIN, 0x3ffffff, &i), -ESRCH, "a process that is not there");
	same(insert(fd, PID_NOWHERE, child, &i), -EFAULT, "where there is no memory");
	same(i.bad_addr, AT_NOWHERE, "and it says where");
	same(insert(fd, PID_NOT_ADDED, child, &i), -ENODATA, "pages whose memory was not added");

	same(insert(fd, PID_MAIN, child, &i), 0, "put the pages in");
	same(i.nr_inserted + i.nr_copied, PAGES_MAIN, "every page is accounted for");
	same(i.nr_copied, 8, "only those over a file are copied");
	same(insert(fd, PID_MAIN, child, &i), -EALREADY, "not twice");
	same(wrong_frames(child, AT_PLAIN, pfn_at(16 * MIB), 5000, 1), 0, "the same frames");
	same(wrong_frames(child, AT_PLAIN + 5000 * PAGE, pfn_at(40 * MIB) + 64, 64, -1), 0,
	     "the same frames one by one");
	same(wrong_frames(child, AT_NONE, pfn_at(41 * MIB), 100, 1), 0,
	     "the same frames under PROT_NONE");
	same(wrong_frames(child, AT_READ, pfn_at(42 * MIB), 100, 2), 0,
	     "the same frames under PROT_READ");
	same(wrong_frames(child, AT_TOUCHED, pfn_at(44 * MIB), 16, 1), 0,
	     "the same frames over pages that were there");
	same(wrong_frames(child, AT_HUGE + PAGE, pfn_at(46 * MIB), 700, 1), 0,
	     "the same frames over huge pages that were there");
	/* The touched pages were there before; of 1024 under the huge pages, all were. */
	same(proc_kib(path, "RssAnon") - before, (PAGES_MAIN - 16 - 700) * PAGE / 1024,
	     "RssAnon grew by as much");
	kill(child, SIGCONT);
	same(end_wait(child), 0, "the process finds its memory, writes, forks and ends");
}

/* What was checked stays as it was, whatever is done to a mapping of it. */
static void test_mapped(int fd, const struct record *r)
{
	char first, *map;

	ok(mmap(NULL, r->len, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL,
	   "the record is not mapped for sharing");
	ok(mmap(NULL, r->len + 64 * MIB, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED &&
	   errno == EINVAL, "nor more of it than there is");
	map = mmap(NULL, r->len, PROT_READ, MAP_PRIVATE, fd, 0);
	ok(map != MAP_FAILED && !memcmp(map, r->stream, r->len), "mapped it is the same");
	if (map == MAP_FAILED)
		return;
	if (mprotect(map, PAGE, PROT_READ | PROT_WRITE))
		bail("mprotect: %s", strerror(errno));
	map[0] ^= 1;
	ok(pread(fd, &first, 1, 0) == 1 && first == r->stream[0], "and what is written is a copy");
	munmap(map, r->len);
}

static void test_stream(int fd, const struct record *r, const struct nvwa_adopt *a)
{
	char *back = malloc(r->len + 1);

	same(a->record_len, r->len, "the record's length");
	same(a->nr_pages, r->nr_pages, "the number of pages");
	ok(a->seal_tsc == 1 && a->seal_realtime_ns == 2 && a->seal_boottime_ns == 3 &&
	   a->tsc_khz == 4 && a->tai_offset_s == 37, "the clocks of the seal");
	same(pread(fd, back, r->len + 1, 0), r->len, "read it");
	ok(!memcmp(back, r->stream, r->len), "it is the same");
	same(pread(fd, back, 100, r->len - 50), 50, "read its end");
	free(back);
	test_mapped(fd, r);
}

static long long module_refs(void)
{
	long long refs = -1;
	FILE *f = fopen("/sys/module/nvwa/refcnt", "re");

	if (f && fscanf(f, "%lld", &refs) != 1)
		refs = -1;
	if (f)
		fclose(f);
	return refs;
}

int test_new(uint64_t base, uint64_t len)
{
	static struct record r;
	struct nvwa_release rel = { 0 };
	struct nvwa_adopt a, again;
	struct nvwa_info info = { 0 };
	long long total = proc_kib("/proc/meminfo", "MemTotal");
	uint64_t held;
	int fd = keeper_open();

	hidden_map(base, len);
	record_make(&r);
	test_header_refusals(fd, &r);
	test_stream_refusals(fd);
	test_twice(fd);
	same(keeper_state(fd), NVWA_STATE_IDLE, "nothing was adopted");
	same(keeper_call(fd, NVWA_IOC_RELEASE, &rel), -ENOENT, "nothing to release");

	record_write(&r);
	same(adopt(fd, &a), 0, "adopt");
	same(adopt(fd, &again), -EALREADY, "adopt again");
	same(keeper_state(fd), NVWA_STATE_ADOPTED, "adopted");
	same(keeper_call(fd, NVWA_IOC_INFO, &info) ?: (long long)info.nr_held, r.nr_pages,
	     "all pages are held");
	same(info.online_callback_free, 1, "the online callback is free");
	munmap(hidden.mem, hidden.len);
	test_stream(fd, &r, &a);
	close(fd);
	same(module_refs(), 1, "the module stays while it has pages");
	fd = keeper_open();
	test_add_memory(fd);
	test_insert(fd);
	test_areas(fd);
	test_shmem_insert(fd);

	same(keeper_call(fd, NVWA_IOC_RELEASE, &rel), 0, "release");
	same(rel.nr_wiped, r.nr_pages - PAGES_MAIN - areas_pages() - PAGES_SHMEM,
	     "all other pages are wiped");
	ok(rel.nr_record >= 1 + r.len / PAGE, "the record's memory is freed");
	same(keeper_state(fd), NVWA_STATE_IDLE, "idle");
	same(add_memory(fd, base, len, &held), 0, "add the last block");
	same(held, 0, "and nothing is held back");
	same(proc_kib("/proc/meminfo", "MemTotal") - total, len / 1024, "all memory is there");
	close(fd);
	same(module_refs(), 0, "the module may go");
	same(frames_withheld(base, len), 0, "every frame is the allocator's");
	ok(fill_memory(), "nearly all memory can be used");
	same(tainted(), 0, "the kernel is not tainted");
	return done();
}
