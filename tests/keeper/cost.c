// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each step of the module costs per GB of memory, in ns: one line a step,
 * "NAME NS". With a clock that counts instructions the figures are exact.
 */
#include "new.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define GB		(1000ULL * 1000 * 1000)
#define FRAGMENTS	(128 * MIB / PAGE / 2)	/* one memory block */
#define RUN		64	/* pages of a long run */

enum kind { LONG, SINGLE, HUGE };	/* runs of RUN pages, of one page, huge pages */
static const char * const kinds[] = { "long", "single", "huge" };

static void tell(const char *step, const char *kind, uint64_t bytes)
{
	printf("%s.%s %llu\n", step, kind, (unsigned long long)(keeper_ns * GB / bytes));
	fflush(stdout);
}

/* A number for every i < nr, each once, far from its neighbours; nr is a power of two. */
static uint64_t scatter(uint64_t i, uint64_t nr)
{
	return (i * 0x9e3779b1ULL + 12345) & (nr - 1);
}

static char *map_kind(enum kind kind, uint64_t len)
{
	char *p = mmap((void *)AT_PLAIN, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	madvise(p, len, kind == HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

/* A stopped process with memory of this kind; with nothing in it if empty. */
static pid_t start(enum kind kind, uint64_t len, bool empty)
{
	pid_t pid = fork();
	uint64_t i;

	if (pid == 0) {
		char *p = map_kind(kind, len);

		for (i = 0; i < len / PAGE && !empty; i++)
			p[(kind == SINGLE ? scatter(i, len / PAGE) : i) * PAGE] = 1;
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0)
		bail("fork");
	stop_wait(pid);
	return pid;
}

int cost_old(uint64_t len)
{
	enum kind kind;

	quiet = true;
	for (kind = LONG; kind <= HUGE; kind++) {
		struct nvwa_range scratch = { 0, PAGE }, range = { AT_PLAIN, len };
		uint64_t header;
		pid_t pid = start(kind, len, false);
		struct nvwa_capture c = {
			.pid = pid, .nr_ranges = 1, .ranges = (uintptr_t)&range,
		};
		struct nvwa_seal seal = { .room = ~0ULL };
		int fd = keeper_open();

		if (begin(fd, &scratch, &header) || keeper_call(fd, NVWA_IOC_CAPTURE, &c))
			bail("cannot capture");
		tell("capture", kinds[kind], len);
		printf("# %s: %llu runs\n", kinds[kind], (unsigned long long)c.nr_runs);
		if (keeper_call(fd, NVWA_IOC_SEAL, &seal))
			bail("cannot seal");
		tell("seal", kinds[kind], len);
		close(fd);
		kill(pid, SIGKILL);
		end_wait(pid);
	}
	return 0;
}

/* The runs of one process whose memory lies at pfn. */
static uint64_t make_runs(struct nvwa_run *r, enum kind kind, uint64_t pfn, uint64_t len)
{
	uint64_t step = kind == SINGLE ? 1 : kind == HUGE ? 512 : RUN, nr = len / PAGE / step, i;

	/* Long runs do not lie side by side, or they would be one. */
	for (i = 0; i < nr; i++) {
		r[i] = (struct nvwa_run){ AT_PLAIN + i * step * PAGE, 0, step, 0 };
		r[i].pfn = pfn + step * (kind == HUGE ? i : kind == LONG ? i ^ 1 :
					 scatter(i, nr));
		if (kind == HUGE)
			r[i].flags = NVWA_RUN_HUGE;
	}
	return nr;
}

#define SHMEM_ID	7

/* Shared memory in runs of two pages, as it mostly lies. */
static void make_shmem(struct record *r, uint64_t pfn, uint64_t len)
{
	const uint64_t nr = len / PAGE / 2;
	struct {
		struct nvwa_shmem head;
		struct nvwa_run runs[];
	} *s = malloc(sizeof(*s) + nr * sizeof(s->runs[0]));

	if (!s)
		bail("no memory");
	s->head = (struct nvwa_shmem){ .id = SHMEM_ID, .len = len };
	for (uint64_t i = 0; i < nr; i++)
		s->runs[i] = (struct nvwa_run){ 2 * i * PAGE, pfn + 2 * scatter(i, nr), 2, 0 };
	section(r, NVWA_SECTION_SHMEM, 0, "", s, sizeof(*s) + nr * sizeof(s->runs[0]), len / PAGE);
	free(s);
}

static struct record *make_record(uint64_t len)
{
	struct record *r = calloc(1, sizeof(*r));
	struct nvwa_run *runs = malloc((len / PAGE + FRAGMENTS) * sizeof(*runs));
	enum kind kind;
	uint64_t i;

	if (!r || !runs)
		bail("no memory");
	for (kind = LONG; kind <= HUGE; kind++) {
		uint64_t nr = make_runs(runs, kind, pfn_at(128 * MIB + kind * len), len);

		section(r, NVWA_SECTION_PAGES, PID_MAIN + kind, "", runs,
			       nr * sizeof(*runs), len / PAGE);
	}
	/* A process whose every second page is another's; it is never put in. */
	for (i = 0; i < FRAGMENTS; i++)
		runs[i] = (struct nvwa_run){ AT_PLAIN + i * PAGE,
					     pfn_at(128 * MIB + 3 * len) + 2 * i, 1, 0 };
	section(r, NVWA_SECTION_PAGES, PID_MAIN + 3, "", runs, FRAGMENTS * sizeof(*runs),
		FRAGMENTS);
	make_shmem(r, pfn_at(256 * MIB + 3 * len), len);
	free(runs);
	return r;
}

/* A file of that size, empty, as the new kernel has it before its pages are put in. */
static void cost_shmem(int fd, uint64_t len)
{
	int file = memfd_create("cost", MFD_CLOEXEC);
	struct nvwa_insert_shmem i = { .fd = file, .id = SHMEM_ID };

	if (file < 0 || ftruncate(file, len) || keeper_call(fd, NVWA_IOC_INSERT_SHMEM, &i) ||
	    i.nr_copied)
		bail("cannot insert shared memory");
	tell("insert", "shmem", len);
	close(file);
}

int cost_new(uint64_t base, uint64_t hidden_len, uint64_t len)
{
	struct nvwa_release release = { 0 };
	struct nvwa_add_memory m = { .nid = -1, .start = base, .len = 128 * MIB + 3 * len };
	struct nvwa_adopt a;
	enum kind kind;
	int fd;

	quiet = true;
	fd = keeper_open();
	if (hidden_len < m.len + len + 256 * MIB)
		bail("too little hidden memory");
	hidden_map(base, hidden_len);
	record_write(make_record(len));
	munmap(hidden.mem, hidden.len);
	if (adopt(fd, &a))
		bail("cannot adopt");
	tell("adopt", "all", 4 * len);
	if (keeper_call(fd, NVWA_IOC_ADD_MEMORY, &m))
		bail("cannot add memory");
	tell("add", "held", m.len);
	m.start += m.len;
	m.len = 128 * MIB;
	if (keeper_call(fd, NVWA_IOC_ADD_MEMORY, &m))
		bail("cannot add memory");
	tell("add", "fragments", m.len);
	m.start += m.len;
	m.len = len;
	if (keeper_call(fd, NVWA_IOC_ADD_MEMORY, &m))
		bail("cannot add memory");
	tell("add", "shmem", m.len);
	m.start += m.len;
	m.len = base + hidden_len - m.start;
	if (keeper_call(fd, NVWA_IOC_ADD_MEMORY, &m))
		bail("cannot add memory");
	tell("add", "free", m.len);
	for (kind = LONG; kind <= HUGE; kind++) {
		pid_t pid = start(kind, len, true);
		struct nvwa_insert i = { .record_pid = PID_MAIN + kind, .pid = pid };

		if (keeper_call(fd, NVWA_IOC_INSERT, &i) || i.nr_copied)
			bail("cannot insert");
		tell("insert", kinds[kind], len);
		kill(pid, SIGKILL);
		end_wait(pid);
	}
	cost_shmem(fd, len);
	if (keeper_call(fd, NVWA_IOC_RELEASE, &release))
		bail("cannot release");
	tell("release", "fragments", FRAGMENTS * PAGE);
	return 0;
}
