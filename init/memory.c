// SPDX-License-Identifier: GPL-2.0-only
/* Adding the RAM that was hidden from this kernel. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/kexec/online.h"
#include "lib/record/stream.h"

/* MAX_PHYSMEM_BITS without five-level paging (arch/x86/include/asm/sparsemem.h). */
#define PHYS_BITS	46

static int memory_add(int keeper, uint64_t start, uint64_t len, int nid)
{
	struct nvwa_add_memory add = {
		.size = sizeof(add), .nid = nid, .start = start, .len = len,
	};
	static bool online;
	int r;

	if (!online) {
		r = online_all(NVWA_STATE_DIR "/" ONLINE_CHOICE);
		if (r)
			return r;
		online = true;
	}
	return ioctl(keeper, NVWA_IOC_ADD_MEMORY, &add) ? -errno : 0;
}

/* Which memory blocks hold pages of the carried programs; index is address / size. */
struct blocks {
	uint64_t size;
	bool *needed;		/* NULL: all */
	size_t nr;
};

static void need_run(struct blocks *b, const struct nvwa_run *run)
{
	uint64_t first = run->pfn * NVWA_PAGE_SIZE / b->size;
	uint64_t last = (run->pfn + run->nr - 1) * NVWA_PAGE_SIZE / b->size;

	for (uint64_t i = first; i <= last && i < b->nr; i++)
		b->needed[i] = true;
}

static int find_blocks(const struct record *record, struct blocks *b)
{
	struct stream_section s;
	size_t pos = 0;

	b->nr = (1ULL << PHYS_BITS) / b->size;
	b->needed = calloc(b->nr, sizeof(*b->needed));
	if (!b->needed)
		return -ENOMEM;
	while (stream_next(record->stream, record->len, &pos, &s) > 0) {
		const struct nvwa_run *runs = NULL;
		size_t nr = stream_runs(&s, &runs);

		for (size_t i = 0; i < nr; i++)
			need_run(b, &runs[i]);
	}
	return 0;
}

/* Add what is needed of a hidden range, in pieces as large as can be. */
static int add_range(int keeper, const struct blocks *b, uint64_t start, uint64_t len, int nid)
{
	uint64_t end = start + len, from = start;
	int r = 0;

	if (!b->needed)
		return memory_add(keeper, start, len, nid);
	for (uint64_t at = start; at <= end && !r; at += b->size) {
		if (at < end && (at / b->size >= b->nr || b->needed[at / b->size]))
			continue;
		if (at > from)
			r = memory_add(keeper, from, at - from, nid);
		from = at + b->size;
	}
	return r;
}

static int add_hidden(int keeper, const struct blocks *b)
{
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;
	int failed = 0, r;

	r = file_read("/nvwa/hidden", &text, NULL);
	if (r < 0) {
		log_error("the initramfs has no /nvwa/hidden");
		return 1;
	}
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t start, len;
		int nid;

		/* memmap_format()'s lines: start, length, type, node. */
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %*u %d", &start, &len, &nid) != 3)
			r = -EBADMSG;
		else
			r = add_range(keeper, b, start, len, nid);
		if (r) {
			log_error("the memory \"%s\" cannot be added: %s", line, strerror(-r));
			failed++;
		}
	}

	return failed;
}

int memory_add_all(int keeper)
{
	return add_hidden(keeper, &(struct blocks){ 0 });
}

int memory_add_needed(int keeper, const struct record *record)
{
	struct blocks b = { 0 };
	_cleanup_free_ char *size = NULL;
	int r;

	/* Without knowing the size, everything is needed. */
	if (file_read("/sys/devices/system/memory/block_size_bytes", &size, NULL) == 0)
		b.size = strtoull(size, NULL, 16);
	if (b.size && find_blocks(record, &b) < 0)
		b.needed = NULL;
	r = add_hidden(keeper, &b);
	free(b.needed);
	return r;
}

void memory_release(int keeper)
{
	struct nvwa_release release = { .size = sizeof(release) };

	/* Fails when no record was adopted, and then there is nothing held back. */
	ioctl(keeper, NVWA_IOC_RELEASE, &release);
}
