// SPDX-License-Identifier: GPL-2.0-only
/* Where in physical memory the pages of apps lie, from /proc/PID/pagemap. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/apps/footprint.h"
#include "lib/apps/memory.h"
#include "lib/apps/shmem.h"
#include "lib/base/cleanup.h"
#include "uapi/record.h"

#define BATCH			16384		/* pagemap entries a read */

/* Documentation/admin-guide/mm/pagemap.rst, of /proc/kpageflags; the huge one has it as well */
#define KPF_ZERO_PAGE		24

/* Called for each page of its own that a process has, in memory or in the swap space. */
typedef int (*page_fn)(void *ctx, uint64_t entry);

struct counts {
	struct footprint *f;
	uint64_t last;			/* frame of the page before; 0: none */
};

static int make_room(struct footprint *f, size_t block)
{
	size_t nr = block + 64;
	uint64_t *used = reallocarray(f->used, nr, sizeof(*used));

	if (!used)
		return -ENOMEM;
	memset(used + f->nr_used, 0, (nr - f->nr_used) * sizeof(*used));
	f->used = used;
	f->nr_used = nr;
	return 0;
}

static int count(void *ctx, uint64_t entry)
{
	struct counts *c = ctx;
	struct footprint *f = c->f;
	uint64_t pfn = PAGEMAP_PFN(entry);
	size_t block = pfn / (f->block_size / NVWA_PAGE_SIZE);

	if (!(entry & PAGEMAP_PRESENT)) {
		/* It will come in anywhere. */
		f->swapped++;
		f->runs++;
		c->last = 0;
		return 0;
	}
	if (block >= f->nr_used && make_room(f, block))
		return -ENOMEM;
	f->used[block]++;
	f->present++;
	f->runs += pfn != c->last + 1;
	c->last = pfn;
	return 0;
}

static int walk_range(int pagemap, const struct nvwa_range *range, uint64_t *entries, page_fn fn,
		      void *ctx)
{
	uint64_t page = range->start / NVWA_PAGE_SIZE, last = page + range->len / NVWA_PAGE_SIZE;

	while (page < last) {
		size_t want = last - page < BATCH ? last - page : BATCH;
		ssize_t got = pread(pagemap, entries, want * sizeof(*entries),
				    page * sizeof(*entries));

		if (got <= 0)
			return got < 0 ? -errno : 0;	/* 0: the process has ended */
		got /= sizeof(*entries);
		for (ssize_t i = 0; i < got; i++) {
			int r = 0;

			if ((entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) &&
			    !(entries[i] & PAGEMAP_FILE))
				r = fn(ctx, entries[i]);
			if (r < 0)
				return r;
		}
		page += got;
	}
	return 0;
}

/* The process may end at any time, and runs: what is seen is a snapshot. */
static int walk_process(pid_t pid, uint64_t *entries, page_fn fn, void *ctx)
{
	_cleanup_free_ struct nvwa_range *ranges = NULL;
	_cleanup_close_ int pagemap = pagemap_open(pid);
	size_t nr = 0;
	int r;

	r = pagemap < 0 ? pagemap : memory_own(pid, &ranges, &nr, NULL, NULL);
	for (size_t i = 0; i < nr && r == 0; i++)
		r = walk_range(pagemap, &ranges[i], entries, fn, ctx);
	return r == -ESRCH ? 0 : r;
}

/* Its files count what is in the swap space as well. */
static int add_shared(const struct app *app, struct footprint *f)
{
	struct shmem *list;
	size_t nr;
	int r = shmem_find(app, &list, &nr);

	/* What is gone while the programs run is not missed here. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; i < nr; i++) {
		_cleanup_close_ int fd = shmem_open(&list[i]);
		struct stat st;

		if (fd < 0 || fstat(fd, &st))
			continue;
		f->shared += (uint64_t)st.st_blocks * 512 / NVWA_PAGE_SIZE;
	}
	shmem_free(list, nr);
	return 0;
}

int footprint_read(const struct app *apps, size_t nr_apps, uint64_t block_size,
		   struct footprint *f)
{
	_cleanup_free_ uint64_t *entries = malloc(BATCH * sizeof(*entries));
	struct counts c = { .f = f };
	int r = entries ? 0 : -ENOMEM;

	*f = (struct footprint){ .block_size = block_size };
	for (size_t i = 0; i < nr_apps && r == 0; i++) {
		for (size_t j = 0; j < apps[i].nr_pids && r == 0; j++) {
			c.last = 0;
			r = walk_process(apps[i].pids[j], entries, count, &c);
		}
		if (r == 0)
			r = add_shared(&apps[i], f);
	}
	f->runs += f->shared;
	if (r < 0)
		footprint_free(f);
	return r;
}

void footprint_free(struct footprint *f)
{
	free(f->used);
	*f = (struct footprint){ 0 };
}

/* The frames that more than one address leads to, once for each. */
struct frames {
	uint64_t *pfns;
	size_t nr, max;
};

static int note_shared(void *ctx, uint64_t entry)
{
	struct frames *f = ctx;

	if (!(entry & PAGEMAP_PRESENT) || (entry & PAGEMAP_EXCLUSIVE))
		return 0;
	if (f->nr == f->max) {
		size_t max = f->max ? 2 * f->max : 4096;
		uint64_t *pfns = reallocarray(f->pfns, max, sizeof(*pfns));

		if (!pfns)
			return -ENOMEM;
		f->pfns = pfns;
		f->max = max;
	}
	f->pfns[f->nr++] = PAGEMAP_PFN(entry);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The kernel's page of zeroes is shared by all, and belongs to nobody. */
static bool is_zero_page(int kpageflags, uint64_t pfn)
{
	uint64_t flags;

	return pread(kpageflags, &flags, sizeof(flags), pfn * sizeof(flags)) == sizeof(flags) &&
	       (flags >> KPF_ZERO_PAGE & 1);
}

int footprint_shared(const struct app *apps, size_t nr_apps, uint64_t *extra)
{
	_cleanup_free_ uint64_t *entries = malloc(BATCH * sizeof(*entries));
	_cleanup_close_ int kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	struct frames f = { 0 };
	int r = entries ? 0 : -ENOMEM;

	*extra = 0;
	if (kpageflags < 0)
		return -errno;
	for (size_t i = 0; i < nr_apps && r == 0; i++)
		for (size_t j = 0; j < apps[i].nr_pids && r == 0; j++)
			r = walk_process(apps[i].pids[j], entries, note_shared, &f);
	if (r == 0 && f.nr)
		qsort(f.pfns, f.nr, sizeof(*f.pfns), by_number);
	for (size_t i = 0, n; i < f.nr && r == 0; i += n) {
		for (n = 1; i + n < f.nr && f.pfns[i + n] == f.pfns[i]; n++)
			;
		if (n > 1 && !is_zero_page(kpageflags, f.pfns[i]))
			*extra += n - 1;
	}
	free(f.pfns);
	return r;
}
