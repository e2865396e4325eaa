// SPDX-License-Identifier: GPL-2.0-only
/* Where in physical memory the pages of apps lie, from /proc/PID/pagemap. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/apps/footprint.h"
#include "lib/apps/memory.h"
#include "lib/base/cleanup.h"
#include "uapi/record.h"

#define BATCH			16384		/* pagemap entries a read */

struct counts {
	uint64_t *used;
	size_t nr;
	uint64_t pages_per_block;
	uint64_t *entries;	/* BATCH, of the process that is looked at */
	int pagemap;
};

static int count(struct counts *c, uint64_t pfn)
{
	size_t block = pfn / c->pages_per_block;

	if (block >= c->nr) {
		size_t nr = block + 64;
		uint64_t *used = reallocarray(c->used, nr, sizeof(*used));

		if (!used)
			return -ENOMEM;
		memset(used + c->nr, 0, (nr - c->nr) * sizeof(*used));
		c->used = used;
		c->nr = nr;
	}
	c->used[block]++;
	return 0;
}

static int count_area(void *ctx, uint64_t start, uint64_t end)
{
	uint64_t page = start / NVWA_PAGE_SIZE, last = end / NVWA_PAGE_SIZE;
	struct counts *c = ctx;

	while (page < last) {
		size_t want = last - page < BATCH ? last - page : BATCH;
		ssize_t got = pread(c->pagemap, c->entries, want * sizeof(*c->entries),
				    page * sizeof(*c->entries));

		if (got <= 0)
			return got < 0 ? -errno : 0;	/* 0: the process has ended */
		got /= sizeof(*c->entries);
		for (ssize_t i = 0; i < got; i++) {
			int r;

			if (!(c->entries[i] & PAGEMAP_PRESENT) || (c->entries[i] & PAGEMAP_FILE))
				continue;
			r = count(c, PAGEMAP_PFN(c->entries[i]));
			if (r < 0)
				return r;
		}
		page += got;
	}
	return 0;
}

/* The process may end at any time. */
static int count_process(struct counts *c, pid_t pid)
{
	int r;

	c->pagemap = pagemap_open(pid);
	if (c->pagemap < 0)
		return c->pagemap == -ESRCH ? 0 : c->pagemap;
	r = memory_areas(pid, count_area, c);
	close(c->pagemap);
	return r == -ESRCH ? 0 : r;
}

int footprint_blocks(const struct app *apps, size_t nr_apps, uint64_t block_size,
		     uint64_t **used, size_t *nr_used)
{
	struct counts c = { .pages_per_block = block_size / NVWA_PAGE_SIZE };
	_cleanup_free_ uint64_t *entries = malloc(BATCH * sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	c.entries = entries;
	for (size_t i = 0; i < nr_apps; i++) {
		for (size_t j = 0; j < apps[i].nr_pids; j++) {
			int r = count_process(&c, apps[i].pids[j]);

			if (r < 0) {
				free(c.used);
				return r;
			}
		}
	}
	*used = c.used;
	*nr_used = c.nr;
	return 0;
}
