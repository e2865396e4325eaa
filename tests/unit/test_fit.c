// SPDX-License-Identifier: GPL-2.0-only
/* What fits into the scratch: programs, records and files of several sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/kexec/fit.h"
#include "uapi/fit.h"
#include "uapi/record.h"

#define MIB		(1ULL << 20)
#define GIB		(1ULL << 30)
#define BLOCK		(128 * MIB)
#define BLOCK_PAGES	(BLOCK / NVWA_PAGE_SIZE)

/* Struct pages of a piece: 16 MiB for 1 GiB. */
static void test_pieces(void **state)
{
	struct nvwa_fit fit = { 0 };

	(void)state;
	assert_int_equal(nvwa_fit_needed(&fit), 0);
	/* Full to the last page: nothing comes back. */
	for (int i = 0; i < 16; i++)
		nvwa_fit_piece(&fit, GIB, GIB / NVWA_PAGE_SIZE);
	assert_int_equal(nvwa_fit_needed(&fit), 16 * (16 * MIB + NVWA_FIT_PIECE_BYTES));

	/* Half full: the first piece holds those of all others. */
	fit = (struct nvwa_fit){ 0 };
	for (int i = 0; i < 16; i++)
		nvwa_fit_piece(&fit, GIB, GIB / 2 / NVWA_PAGE_SIZE);
	assert_int_equal(nvwa_fit_needed(&fit), 16 * MIB + NVWA_FIT_PIECE_BYTES);

	/* What comes later comes out of that, as far as it goes. */
	nvwa_fit_take(&fit, 7 * GIB);
	assert_int_equal(nvwa_fit_needed(&fit), 16 * MIB + NVWA_FIT_PIECE_BYTES);
	nvwa_fit_take(&fit, 2 * GIB);
	assert_true(nvwa_fit_needed(&fit) > GIB);

	/* No more is held than there is. */
	fit = (struct nvwa_fit){ 0 };
	nvwa_fit_piece(&fit, BLOCK, 2 * BLOCK_PAGES);
	nvwa_fit_piece(&fit, 0, 0);
	assert_int_equal(fit.left, -(int64_t)(2 * MIB + NVWA_FIT_PIECE_BYTES));
}

/* So many GiB of programs in blocks that they fill to so many parts of a thousand. */
static struct fit_load programs(uint64_t gib, unsigned int parts)
{
	struct fit_load load = { .block_size = BLOCK, .nr_used = gib * 8 * 1000 / parts };
	uint64_t *used = calloc(load.nr_used + 1, sizeof(*used));

	for (size_t i = 0; i < load.nr_used; i++)
		used[i] = BLOCK_PAGES * parts / 1000;
	load.used = used;
	load.runs = gib * 1000;
	return load;
}

/* What a machine of 64 GiB with 8 CPUs can hand over. */
static const struct {
	uint64_t gib;
	unsigned int parts;	/* of a thousand */
	uint64_t scratch_mb, files_mb;
	bool fits;
} table[] = {
	{ 1, 500, 512, 0, true },
	{ 1, 500, 512, 20, true },
	{ 1, 500, 512, 200, false },
	{ 1, 500, 1280, 200, true },
	{ 1, 500, 1024, 480, false },
	{ 1, 500, 2048, 480, true },
	{ 4, 1000, 512, 0, true },
	{ 12, 1000, 512, 0, false },
	{ 12, 500, 512, 0, true },
	{ 32, 1000, 512, 0, false },
	{ 32, 1000, 1536, 0, true },
	{ 1, 500, 256, 0, false },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fit_load load = programs(table[i].gib, table[i].parts);
		uint64_t room = fit_room(64 * GIB, table[i].scratch_mb * MIB, 8);

		load.files = table[i].files_mb * MIB;
		if ((fit_needed(&load) <= room) != table[i].fits)
			fail_msg("%zu: needs %llu MiB of %llu", i,
				 (unsigned long long)fit_needed(&load) >> 20,
				 (unsigned long long)room >> 20);
		if (fit_files_most(&load, room))
			assert_int_equal(load.files <= fit_files_most(&load, room), table[i].fits);
		free((void *)load.used);
	}
}

/* The scratch grows with the programs, and what is said of it is enough. */
static void test_scratch(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 12, 32, 500 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fit_load load = programs(sizes[i], 1000);
		uint64_t scratch = fit_scratch(&load, 512 * MIB);

		assert_true(scratch >= 512 * MIB);
		assert_true(fit_room(64 * GIB, scratch, 8) >= fit_needed(&load));
		load.files = 480 * MIB;
		assert_true(fit_room(64 * GIB, scratch, 8) < fit_needed(&load));
		scratch = fit_scratch_for(&load, 64 * GIB, 8);
		assert_true(fit_room(64 * GIB, scratch, 8) >= fit_needed(&load));
		assert_true(fit_room(64 * GIB, scratch - 64 * MIB, 8) < fit_needed(&load));
		free((void *)load.used);
	}
	/* A scratch that is too small for the kernel alone. */
	assert_int_equal(fit_room(GIB, 100 * MIB, 1), 0);
}

/* Pages of which nobody knows where they will be take struct pages as well. */
static void test_elsewhere(void **state)
{
	struct fit_load load = { .block_size = BLOCK };
	uint64_t before = fit_needed(&load);

	(void)state;
	load.elsewhere = GIB / NVWA_PAGE_SIZE;
	assert_true(fit_needed(&load) >= before + 16 * MIB);
	before = fit_needed(&load);
	load.runs = 1000000;
	assert_int_equal(fit_needed(&load), before + 24000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_scratch),
		cmocka_unit_test(test_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
