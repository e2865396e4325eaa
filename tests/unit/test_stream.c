// SPDX-License-Identifier: GPL-2.0-only
/* The record's stream: well-formed ones are walked, all others refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/record/stream.h"

static unsigned char buf[4096] __attribute__((aligned(8)));
static size_t len;

static void add(uint32_t kind, int32_t pid, const void *name, size_t name_len, const void *data,
		size_t data_len)
{
	struct nvwa_section head = {
		.kind = kind, .pid = pid, .name_len = name_len, .data_len = data_len,
	};

	memcpy(buf + len, &head, sizeof(head));
	len += sizeof(head);
	memcpy(buf + len, name, name_len);
	len += (name_len + 7) / 8 * 8;
	memcpy(buf + len, data, data_len);
	len += (data_len + 7) / 8 * 8;
}

static void add_file(const char *name, const char *data)
{
	add(NVWA_SECTION_FILE, 0, name, strlen(name), data, strlen(data));
}

static int start(void **state)
{
	(void)state;
	memset(buf, 0, sizeof(buf));
	len = 0;
	return 0;
}

/* Walk it all, in a block of exactly its size so that the sanitizers see what is read. */
static int walk(size_t *nr)
{
	struct stream_section s;
	unsigned char *copy = malloc(len ? len : 1);
	size_t pos = 0;
	int r;

	*nr = 0;
	memcpy(copy, buf, len);
	while ((r = stream_next(copy, len, &pos, &s)) > 0)
		++*nr;
	free(copy);
	return r;
}

static void assert_refused(void)
{
	size_t nr;

	assert_int_equal(walk(&nr), -EBADMSG);
}

static void walks_sections(void **state)
{
	const struct nvwa_run runs[] = {
		{ .addr = 0x1000, .pfn = 77, .nr = 2 }, { .addr = 0x3000, .pfn = 5, .nr = 1 },
		{ .addr = 0x200000, .pfn = 1024, .nr = 512, .flags = NVWA_RUN_HUGE },
	};
	struct stream_section s;
	size_t pos = 0;

	(void)state;
	add_file("adopt", "last_pid 9\n");
	add(NVWA_SECTION_PAGES, 42, "", 0, runs, sizeof(runs));
	add_file("apps/redis-server.service/img/core-1.img", "12345678");
	add_file("empty", "");

	assert_int_equal(stream_next(buf, len, &pos, &s), 1);
	assert_int_equal(s.head.kind, NVWA_SECTION_FILE);
	assert_int_equal(s.head.name_len, 5);
	assert_memory_equal(s.name, "adopt", 5);
	assert_memory_equal(s.data, "last_pid 9\n", 11);
	assert_int_equal(stream_next(buf, len, &pos, &s), 1);
	assert_int_equal(s.head.pid, 42);
	assert_memory_equal(s.data, runs, sizeof(runs));
	assert_int_equal(stream_next(buf, len, &pos, &s), 1);
	assert_int_equal(s.head.data_len, 8);
	assert_int_equal(stream_next(buf, len, &pos, &s), 1);
	assert_int_equal(s.head.data_len, 0);
	assert_int_equal(stream_next(buf, len, &pos, &s), 0);
	assert_int_equal(stream_next(buf, len, &pos, &s), 0);
}

struct shared {
	struct nvwa_shmem shmem;
	struct nvwa_run runs[2];
};

static const struct shared shared = {
	{ .id = 7, .len = 0x5001 },
	{ { .addr = 0, .pfn = 9, .nr = 2 }, { .addr = 0x5000, .pfn = 40, .nr = 1 } },
};

static void walks_shared_memory(void **state)
{
	const struct nvwa_run *runs;
	struct stream_section s;
	size_t pos = 0;

	(void)state;
	add(NVWA_SECTION_SHMEM, 0, "", 0, &shared, sizeof(shared));
	add_file("adopt", "");
	assert_int_equal(stream_next(buf, len, &pos, &s), 1);
	assert_int_equal(stream_runs(&s, &runs), 2);
	assert_memory_equal(runs, shared.runs, sizeof(shared.runs));
	assert_int_equal(stream_next(buf, len, &pos, &s), 1);
	assert_int_equal(stream_runs(&s, &runs), 0);
	assert_int_equal(stream_next(buf, len, &pos, &s), 0);
}

static void refuses_bad_shared_memory(void **state)
{
	struct shared bad[] = { shared, shared, shared, shared, shared };

	bad[0].shmem.id = 0;
	bad[1].shmem.reserved = 1;
	bad[2].shmem.len = 0x5000;			/* the second run is behind the end */
	bad[3].runs[1].addr = 0x1000;			/* they overlap */
	bad[4].runs[0] = (struct nvwa_run){ 0, 512, 512, NVWA_RUN_HUGE };
	bad[4].shmem.len = 1 << 30;
	bad[4].runs[1].addr = 0x200000;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(state);
		add(NVWA_SECTION_SHMEM, 0, "", 0, &bad[i], sizeof(bad[i]));
		assert_refused();
	}
	for (size_t size = 0; size < sizeof(shared); size++) {
		if (size == sizeof(shared.shmem) ||
		    size == sizeof(shared.shmem) + sizeof(shared.runs[0]))
			continue;
		start(state);
		add(NVWA_SECTION_SHMEM, 0, "", 0, &shared, size);
		assert_refused();
	}
	start(state);
	add(NVWA_SECTION_SHMEM, 4, "", 0, &shared, sizeof(shared));
	assert_refused();
}

static void takes_an_empty_stream(void **state)
{
	size_t nr;

	(void)state;
	assert_int_equal(walk(&nr), 0);
	assert_int_equal(nr, 0);
}

static void refuses_every_truncation(void **state)
{
	size_t whole, nr;

	(void)state;
	add_file("a", "some data of a file");
	whole = len;
	for (len = 1; len < whole; len++)
		assert_int_equal(walk(&nr), -EBADMSG);
}

static void refuses_huge_lengths(void **state)
{
	struct nvwa_section *head = (void *)buf;

	(void)state;
	add_file("a", "data");
	head->data_len = UINT64_MAX;
	assert_refused();
	head->data_len = UINT64_MAX - 6;
	assert_refused();
	head->data_len = 4;
	head->name_len = UINT32_MAX;
	assert_refused();
	head->name_len = 256;
	assert_refused();
}

static void refuses_what_it_does_not_know(void **state)
{
	struct nvwa_section *head = (void *)buf;

	(void)state;
	add_file("a", "data");
	head->flags = 1;
	assert_refused();
	head->flags = 0;
	head->kind = 3;
	assert_refused();
	head->kind = NVWA_SECTION_FILE;
	head->pid = 1;
	assert_refused();
}

static void refuses_dirty_padding(void **state)
{
	(void)state;
	add_file("a", "data");
	buf[sizeof(struct nvwa_section) + 1] = 1;
	assert_refused();
	buf[sizeof(struct nvwa_section) + 1] = 0;
	buf[len - 1] = 1;
	assert_refused();
}

static void refuses_names_that_leave(void **state)
{
	static const char *const bad[] = {
		"", "/", "/etc/passwd", "a/", "a//b",
		".", "..", "a/..", "../a", "a/../b", "./a", "a/.",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(state);
		add_file(bad[i], "x");
		assert_refused();
	}
	start(state);
	add(NVWA_SECTION_FILE, 0, "a\0b", 3, "x", 1);
	assert_refused();
}

static void takes_names_with_dots(void **state)
{
	static const char *const good[] = { "a.b", "a..b", ".hidden", "a/.b", "a/b.", "x-1.2.3" };
	size_t nr;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		start(state);
		add_file(good[i], "x");
		assert_int_equal(walk(&nr), 0);
		assert_int_equal(nr, 1);
	}
}

static void refuses_bad_runs(void **state)
{
	const struct nvwa_run good = { .addr = 0x1000, .pfn = 1, .nr = 1 };
	struct nvwa_run bad[2];

#define REFUSE(...) do { \
	bad[0] = good; \
	bad[1] = (struct nvwa_run){ __VA_ARGS__ }; \
	start(state); \
	add(NVWA_SECTION_PAGES, 1, "", 0, bad, sizeof(bad)); \
	assert_refused(); \
} while (0)

	REFUSE(.addr = 0x2000, .pfn = 1, .nr = 0);
	REFUSE(.addr = 0x200000, .pfn = 512, .nr = 512, .flags = 2);
	REFUSE(.addr = 0x200000, .pfn = 512, .nr = 511, .flags = NVWA_RUN_HUGE);
	REFUSE(.addr = 0x200000, .pfn = 513, .nr = 512, .flags = NVWA_RUN_HUGE);
	REFUSE(.addr = 0x201000, .pfn = 512, .nr = 512, .flags = NVWA_RUN_HUGE);
	REFUSE(.addr = 0x2001, .pfn = 1, .nr = 1);
	REFUSE(.addr = 0x1000, .pfn = 1, .nr = 1);
	REFUSE(.addr = 0, .pfn = 1, .nr = 1);
	REFUSE(.addr = 0x2000, .pfn = UINT64_MAX, .nr = 1);
	REFUSE(.addr = UINT64_MAX - 0xfff, .pfn = 1, .nr = 1);
#undef REFUSE

	start(state);
	add(NVWA_SECTION_PAGES, 1, "", 0, &good, sizeof(good) - 1);
	assert_refused();
	start(state);
	add(NVWA_SECTION_PAGES, 0, "", 0, &good, sizeof(good));
	assert_refused();
	start(state);
	add(NVWA_SECTION_PAGES, 1, "name", 4, &good, sizeof(good));
	assert_refused();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(walks_sections, start),
		cmocka_unit_test_setup(walks_shared_memory, start),
		cmocka_unit_test_setup(refuses_bad_shared_memory, start),
		cmocka_unit_test_setup(takes_an_empty_stream, start),
		cmocka_unit_test_setup(refuses_every_truncation, start),
		cmocka_unit_test_setup(refuses_huge_lengths, start),
		cmocka_unit_test_setup(refuses_what_it_does_not_know, start),
		cmocka_unit_test_setup(refuses_dirty_padding, start),
		cmocka_unit_test_setup(refuses_names_that_leave, start),
		cmocka_unit_test_setup(takes_names_with_dots, start),
		cmocka_unit_test_setup(refuses_bad_runs, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
