// SPDX-License-Identifier: GPL-2.0-only
/* Walking the record's stream of sections, trusting nothing in it. */
#include "lib/record/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NAME_LEN_MAX	255

/* A path below the state directory: no empty, "." or ".." parts, so no slash at either end. */
static bool name_is_safe(const char *name, size_t len)
{
	size_t start = 0;

	if (!len || len > NAME_LEN_MAX || memchr(name, '\0', len))
		return false;

	for (size_t i = 0; i <= len; i++) {
		size_t part = i - start;

		if (i < len && name[i] != '/')
			continue;
		if (!part || (part <= 2 && !memcmp(name + start, "..", part)))
			return false;
		start = i + 1;
	}

	return true;
}

/* A huge page is whole, and aligned in memory as well as in the process. */
static bool flags_are_sound(const struct nvwa_run *run)
{
	uint64_t all = run->addr / NVWA_PAGE_SIZE | run->pfn | run->nr;

	return !run->flags || (run->flags == NVWA_RUN_HUGE && !(all % NVWA_HUGE_PAGES));
}

static bool runs_are_sound(const void *data, size_t len)
{
	struct nvwa_run run;
	uint64_t end = 0;

	if (len % sizeof(run))
		return false;

	for (size_t pos = 0; pos < len; pos += sizeof(run)) {
		memcpy(&run, (const char *)data + pos, sizeof(run));
		if (!flags_are_sound(&run) || !run.nr)
			return false;
		if (run.addr % NVWA_PAGE_SIZE || run.addr < end)
			return false;
		if (run.pfn > (UINT64_MAX >> NVWA_PAGE_SHIFT) - run.nr)
			return false;
		if (__builtin_add_overflow(run.addr, run.nr * NVWA_PAGE_SIZE, &end))
			return false;
	}

	return true;
}

/* Shared memory: what it is, then runs that do not reach beyond its end; none of them is huge. */
static bool shmem_is_sound(const char *data, size_t len)
{
	struct nvwa_shmem shmem;
	struct nvwa_run run;

	if (len < sizeof(shmem))
		return false;
	memcpy(&shmem, data, sizeof(shmem));
	data += sizeof(shmem);
	len -= sizeof(shmem);
	if (!shmem.id || shmem.reserved || !runs_are_sound(data, len))
		return false;

	for (size_t pos = 0; pos < len; pos += sizeof(run)) {
		memcpy(&run, data + pos, sizeof(run));
		/* The last page may be used in part. */
		if (run.flags || run.addr + (run.nr - 1) * NVWA_PAGE_SIZE >= shmem.len)
			return false;
	}

	return true;
}

/* Take len bytes and the zeroes up to the next multiple of 8; NULL where they are not there. */
static const char *take(const char *stream, size_t stream_len, size_t *pos, uint64_t len)
{
	static const char zeroes[8];
	const char *start = stream + *pos;
	size_t padded;

	if (len > stream_len - *pos)
		return NULL;
	padded = (len + 7) & ~(size_t)7;
	if (padded < len || padded > stream_len - *pos)
		return NULL;
	if (memcmp(start + len, zeroes, padded - len))
		return NULL;

	*pos += padded;
	return start;
}

size_t stream_runs(const struct stream_section *s, const struct nvwa_run **runs)
{
	size_t before = s->head.kind == NVWA_SECTION_SHMEM ? sizeof(struct nvwa_shmem) : 0;

	if (s->head.kind == NVWA_SECTION_FILE)
		return 0;
	*runs = (const void *)((const char *)s->data + before);

	return (s->head.data_len - before) / sizeof(**runs);
}

int stream_next(const void *stream, size_t len, size_t *pos, struct stream_section *s)
{
	struct stream_section found;
	const char *head;
	size_t at = *pos;

	if (at == len)
		return 0;
	if (at > len || at % 8)
		return -EBADMSG;

	head = take(stream, len, &at, sizeof(found.head));
	if (!head)
		return -EBADMSG;
	memcpy(&found.head, head, sizeof(found.head));
	if (found.head.flags || found.head.name_len > NAME_LEN_MAX)
		return -EBADMSG;

	found.name = take(stream, len, &at, found.head.name_len);
	if (!found.name)
		return -EBADMSG;
	found.data = take(stream, len, &at, found.head.data_len);
	if (!found.data)
		return -EBADMSG;

	switch (found.head.kind) {
	case NVWA_SECTION_PAGES:
		if (found.head.name_len || found.head.pid <= 0 ||
		    !runs_are_sound(found.data, found.head.data_len))
			return -EBADMSG;
		break;
	case NVWA_SECTION_SHMEM:
		if (found.head.name_len || found.head.pid ||
		    !shmem_is_sound(found.data, found.head.data_len))
			return -EBADMSG;
		break;
	case NVWA_SECTION_FILE:
		if (found.head.pid || !name_is_safe(found.name, found.head.name_len))
			return -EBADMSG;
		break;
	default:
		return -EBADMSG;
	}

	*pos = at;
	*s = found;
	return 1;
}
