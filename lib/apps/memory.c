// SPDX-License-Identifier: GPL-2.0-only
/* Which pages a process has of its own. */
#include "lib/apps/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/apps/pagemap-scan.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Entries or regions that are read at a time. */
#define BATCH	16384

/* A process that has ended is no error: its files are empty then, or give -ESRCH. */
static int ended(int r)
{
	return r == -ENOENT ? -ESRCH : r;
}

typedef int (*memory_area_fn)(void *ctx, uint64_t start, uint64_t end);

/*
 * Call f for every private area of a process that can hold memory of its own
 * (not those that the kernel maps: vdso and the like), upwards, until it
 * returns something else than 0, which is returned.
 */
static int memory_areas(pid_t pid, memory_area_fn f, void *ctx)
{
	_cleanup_free_ char *maps = NULL;
	char path[PATH_MAX], *rest, *line;
	int r;

	r = path_format(path, sizeof(path), "/proc/%d/maps", pid);
	if (!r)
		r = file_read(path, &maps, NULL);
	if (r < 0)
		return ended(r);

	rest = maps;
	while (!r && (line = strsep(&rest, "\n"))) {
		uint64_t start, end;
		char perms[5];
		int name = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &start, &end, perms,
			   &name) != 3 ||
		    perms[3] != 'p' || !strncmp(line + name, "[v", 2))
			continue;
		r = f(ctx, start, end);
	}

	return r;
}

int pagemap_open(pid_t pid)
{
	char path[PATH_MAX];
	int fd, r;

	r = path_format(path, sizeof(path), "/proc/%d/pagemap", pid);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? ended(-errno) : fd;
}

int ranges_append(struct nvwa_range **ranges, size_t *nr, uint64_t start, uint64_t len)
{
	struct nvwa_range *last = *nr ? &(*ranges)[*nr - 1] : NULL;

	if (last && start < last->start + last->len)
		return -EBADMSG;
	if (last && start == last->start + last->len) {
		last->len += len;
		return 0;
	}

	/* Room grows in powers of two. */
	if (!(*nr & (*nr - 1))) {
		struct nvwa_range *bigger = reallocarray(*ranges, *nr ? *nr * 2 : 1,
							 sizeof(**ranges));

		if (!bigger)
			return -ENOMEM;
		*ranges = bigger;
	}
	(*ranges)[*nr].start = start;
	(*ranges)[*nr].len = len;
	(*nr)++;

	return 0;
}

int ranges_subtract(struct nvwa_range **ranges, size_t *nr, const struct nvwa_range *other,
		    size_t nr_other)
{
	struct nvwa_range *list = NULL;
	size_t nr_list = 0, k = 0;
	int r = 0;

	for (size_t i = 0; !r && i < *nr; i++) {
		uint64_t at = (*ranges)[i].start, end = at + (*ranges)[i].len;

		while (k < nr_other && other[k].start + other[k].len <= at)
			k++;
		for (size_t j = k; !r && j < nr_other && other[j].start < end; j++) {
			if (other[j].start > at)
				r = ranges_append(&list, &nr_list, at, other[j].start - at);
			at = other[j].start + other[j].len;
		}
		if (!r && at < end)
			r = ranges_append(&list, &nr_list, at, end - at);
	}
	if (r < 0) {
		free(list);
		return r;
	}
	free(*ranges);
	*ranges = list;
	*nr = nr_list;

	return 0;
}

struct finder {
	int pagemap;
	bool cannot_scan;		/* before Linux 6.7 */
	bool no_guards;			/* before Linux 6.16 */
	uint64_t zero_pfn;
	union {
		uint64_t entries[BATCH];
		struct page_region regions[BATCH];
	} *buffer;
	struct nvwa_range *ranges, *guards;
	size_t nr, nr_guards;
};

/* A kernel that does not know a category refuses it, and has no such pages. */
static int scan(struct finder *f, struct pm_scan_arg *arg)
{
	const uint64_t wanted = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
	int nr = -1;

	arg->category_inverted = arg->category_mask = PAGE_IS_PFNZERO | PAGE_IS_FILE;
	errno = EINVAL;
	if (!f->no_guards) {
		arg->category_anyof_mask = arg->return_mask = wanted | PAGE_IS_GUARD;
		nr = ioctl(f->pagemap, PAGEMAP_SCAN, arg);
		f->no_guards = nr < 0;
	}
	if (nr < 0 && errno == EINVAL) {
		arg->category_anyof_mask = arg->return_mask = wanted;
		nr = ioctl(f->pagemap, PAGEMAP_SCAN, arg);
	}

	return nr < 0 ? -errno : nr;
}

static int found(struct finder *f, uint64_t start, uint64_t end, bool guard)
{
	return guard ? ranges_append(&f->guards, &f->nr_guards, start, end - start) :
		       ranges_append(&f->ranges, &f->nr, start, end - start);
}

/*
 * The kernel finds runs of pages, and steps over holes of any size. It looks at
 * up to 512 runs at a time; where it took more than one step to reach the end,
 * walk_end is that of the step before the last (fs/proc/task_mmu.c of 6.7 to 7.3).
 */
static int scan_area(struct finder *f, uint64_t start, uint64_t end)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (uintptr_t)f->buffer->regions,
		.vec_len = BATCH,
	};

	while (arg.start < end) {
		int nr = scan(f, &arg);
		uint64_t next = arg.walk_end;

		if (nr < 0)
			return nr;
		for (int i = 0; i < nr; i++) {
			const struct page_region *p = &f->buffer->regions[i];
			int r = found(f, p->start, p->end, p->categories & PAGE_IS_GUARD);

			if (r < 0)
				return r;
			next = next > p->end ? next : p->end;
		}
		if (next <= arg.start)
			return -EIO;
		arg.start = next;
	}

	return 0;
}

static bool is_own(const struct finder *f, uint64_t entry)
{
	if (entry & PAGEMAP_FILE)
		return false;
	return entry & (PAGEMAP_SWAPPED | PAGEMAP_GUARD) ||
	       (entry & PAGEMAP_PRESENT && PAGEMAP_PFN(entry) != f->zero_pfn);
}

static int read_area(struct finder *f, uint64_t start, uint64_t end)
{
	while (start < end) {
		size_t want = (end - start) / NVWA_PAGE_SIZE;
		ssize_t got;

		want = want < BATCH ? want : BATCH;
		got = pread(f->pagemap, f->buffer->entries, want * sizeof(uint64_t),
			    start / NVWA_PAGE_SIZE * sizeof(uint64_t));
		if (got < (ssize_t)sizeof(uint64_t))
			return got < 0 ? -errno : -ESRCH;
		for (size_t i = 0; i < got / sizeof(uint64_t); i++, start += NVWA_PAGE_SIZE) {
			uint64_t entry = f->buffer->entries[i];
			int r = is_own(f, entry) ? found(f, start, start + NVWA_PAGE_SIZE,
							 entry & PAGEMAP_GUARD) : 0;

			if (r < 0)
				return r;
		}
	}

	return 0;
}

static int find_in_area(void *ctx, uint64_t start, uint64_t end)
{
	struct finder *f = ctx;
	int r = -ENOTTY;

	if (!f->cannot_scan)
		r = scan_area(f, start, end);
	if (r == -ENOTTY) {
		f->cannot_scan = true;
		r = read_area(f, start, end);
	}

	return r;
}

/* What an anonymous page shows that was read and never written. */
static int find_zero_pfn(uint64_t *pfn)
{
	_cleanup_close_ int pagemap = pagemap_open(getpid());
	uint64_t entry = 0;
	volatile char *page;

	if (pagemap < 0)
		return pagemap;
	page = mmap(NULL, NVWA_PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	(void)page[0];
	if (pread(pagemap, &entry, sizeof(entry),
		  (uintptr_t)page / NVWA_PAGE_SIZE * sizeof(entry)) != sizeof(entry))
		entry = 0;
	munmap((void *)page, NVWA_PAGE_SIZE);
	*pfn = PAGEMAP_PFN(entry);

	return entry & PAGEMAP_PRESENT ? 0 : -EIO;
}

int memory_own(pid_t pid, struct nvwa_range **ranges, size_t *nr,
	       struct nvwa_range **guards, size_t *nr_guards)
{
	struct finder f = { .pagemap = -1 };
	int r;

	r = find_zero_pfn(&f.zero_pfn);
	if (r < 0)
		return r;
	f.pagemap = pagemap_open(pid);
	if (f.pagemap < 0)
		return f.pagemap;
	f.buffer = malloc(sizeof(*f.buffer));
	r = f.buffer ? memory_areas(pid, find_in_area, &f) : -ENOMEM;
	free(f.buffer);
	close(f.pagemap);
	if (r < 0 || !guards) {
		free(f.guards);
		f.guards = NULL;
	}
	if (r < 0) {
		free(f.ranges);
		return r;
	}
	*ranges = f.ranges;
	*nr = f.nr;
	if (guards) {
		*guards = f.guards;
		*nr_guards = f.nr_guards;
	}

	return 0;
}
