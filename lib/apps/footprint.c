// SPDX-License-Identifier: GPL-2.0-only
/* Where in physical memory the pages of apps lie, from /proc/PID/pagemap. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/apps/footprint.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "uapi/record.h"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT		(1ULL << 63)
#define PAGEMAP_FILE		(1ULL << 61)	/* page cache or shared anonymous */
#define PAGEMAP_PFN(entry)	((entry) & ((1ULL << 55) - 1))

#define BATCH			16384		/* pagemap entries a read */

struct counts {
	uint64_t *used;
	size_t nr;
	uint64_t pages_per_block;
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

static int count_range(struct counts *c, int pagemap, uint64_t start, uint64_t end,
		       uint64_t *entries)
{
	uint64_t page = start / NVWA_PAGE_SIZE, last = end / NVWA_PAGE_SIZE;

	while (page < last) {
		size_t want = last - page < BATCH ? last - page : BATCH;
		ssize_t got = pread(pagemap, entries, want * sizeof(*entries),
				    page * sizeof(*entries));

		if (got <= 0)
			return got < 0 ? -errno : 0;	/* 0: the process has ended */
		got /= sizeof(*entries);
		for (ssize_t i = 0; i < got; i++) {
			int r;

			if (!(entries[i] & PAGEMAP_PRESENT) || (entries[i] & PAGEMAP_FILE))
				continue;
			r = count(c, PAGEMAP_PFN(entries[i]));
			if (r < 0)
				return r;
		}
		page += got;
	}
	return 0;
}

static int count_process(struct counts *c, pid_t pid, uint64_t *entries)
{
	_cleanup_free_ char *maps = NULL;
	_cleanup_close_ int pagemap = -1;
	char path[PATH_MAX], *rest, *line;
	int r;

	r = path_format(path, sizeof(path), "/proc/%d/maps", pid);
	if (r == 0)
		r = file_read(path, &maps, NULL);
	if (r < 0)
		return r == -ENOENT || r == -ESRCH ? 0 : r;
	r = path_format(path, sizeof(path), "/proc/%d/pagemap", pid);
	if (r < 0)
		return r;
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return errno == ENOENT ? 0 : -errno;
	rest = maps;
	while ((line = strsep(&rest, "\n"))) {
		uint64_t start, end;
		char perms[5];

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, perms) != 3 ||
		    perms[3] != 'p' || strstr(line, "[vsyscall]"))
			continue;
		r = count_range(c, pagemap, start, end, entries);
		if (r < 0)
			return r;
	}
	return 0;
}

int footprint_blocks(const struct app *apps, size_t nr_apps, uint64_t block_size,
		     uint64_t **used, size_t *nr_used)
{
	struct counts c = { .pages_per_block = block_size / NVWA_PAGE_SIZE };
	_cleanup_free_ uint64_t *entries = malloc(BATCH * sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < nr_apps; i++) {
		for (size_t j = 0; j < apps[i].nr_pids; j++) {
			int r = count_process(&c, apps[i].pids[j], entries);

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
