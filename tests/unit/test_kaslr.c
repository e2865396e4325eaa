// SPDX-License-Identifier: GPL-2.0-only
/* Moving a kernel: relocation tables of both formats, broken ones, and where it may go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/kexec/kaslr.h"

#define MIB		(1ULL << 20)
#define BASE		(16 * MIB)
#define LINKED		(0xffffffff80000000ULL + BASE)
#define KERNEL_LEN	64

/* What a table says of a place: the lower half of its virtual address. */
#define AT(offset)	((uint32_t)(LINKED + (offset)))

/* Two 64-bit addresses, a distance that shrinks, two lower halves. */
static const uint32_t three[] = { 0, AT(0), AT(17), 0, AT(8), 0, AT(32), AT(60) };
static const uint32_t two[] = { 0, AT(0), AT(17), 0, AT(32), AT(60) };

static void fill(char *kernel)
{
	const uint64_t address = LINKED + 0x1234;
	const uint32_t distance = 0x7f000000, half = (uint32_t)LINKED;

	memset(kernel, 0xcc, KERNEL_LEN);
	memcpy(kernel, &address, 8);
	memcpy(kernel + 17, &address, 8);
	memcpy(kernel + 8, &distance, 4);
	memcpy(kernel + 32, &half, 4);
	memcpy(kernel + 60, &half, 4);
}

static void assert_moved(const char *kernel, uint64_t by, uint32_t inverse_by)
{
	char want[KERNEL_LEN];
	const uint64_t address = LINKED + 0x1234 + by;
	const uint32_t distance = 0x7f000000 - inverse_by, half = (uint32_t)(LINKED + by);

	fill(want);
	memcpy(want, &address, 8);
	memcpy(want + 17, &address, 8);
	memcpy(want + 8, &distance, 4);
	memcpy(want + 32, &half, 4);
	memcpy(want + 60, &half, 4);
	assert_memory_equal(kernel, want, KERNEL_LEN);
}

static int read_words(const uint32_t *words, size_t len, struct relocs *relocs)
{
	return relocs_read((const char *)words, len, BASE, KERNEL_LEN, relocs);
}

static void moves_by_three_tables(void **state)
{
	char kernel[KERNEL_LEN];
	struct relocs relocs;

	(void)state;
	fill(kernel);
	assert_int_equal(read_words(three, sizeof(three), &relocs), 0);
	assert_int_equal(relocs.nr64, 2);
	assert_int_equal(relocs.nr_inverse, 1);
	assert_int_equal(relocs.nr32, 2);
	relocs_apply(&relocs, kernel, 34 * MIB);
	assert_moved(kernel, 34 * MIB, 34 * MIB);
	relocs_free(&relocs);
}

static void moves_by_two_tables(void **state)
{
	char kernel[KERNEL_LEN];
	struct relocs relocs;

	(void)state;
	fill(kernel);
	assert_int_equal(read_words(two, sizeof(two), &relocs), 0);
	assert_int_equal(relocs.nr64, 2);
	assert_int_equal(relocs.nr_inverse, 0);
	assert_int_equal(relocs.nr32, 2);
	relocs_apply(&relocs, kernel, 998 * MIB);
	assert_moved(kernel, 998 * MIB, 0);
	relocs_free(&relocs);
}

/* A kernel for one CPU has no distance to per-CPU variables: an empty table in the middle. */
static void takes_an_empty_table(void **state)
{
	static const uint32_t words[] = { 0, AT(0), 0, 0, AT(32) };
	struct relocs relocs;

	(void)state;
	assert_int_equal(read_words(words, sizeof(words), &relocs), 0);
	assert_int_equal(relocs.nr64, 1);
	assert_int_equal(relocs.nr_inverse, 0);
	assert_int_equal(relocs.nr32, 1);
	assert_int_equal(relocs.offsets[1], 32);
	relocs_free(&relocs);
}

static void takes_a_kernel_without_tables(void **state)
{
	struct relocs relocs;

	(void)state;
	assert_int_equal(read_words(NULL, 0, &relocs), 0);
	assert_null(relocs.offsets);
}

static void refuses_broken_tables(void **state)
{
	struct relocs relocs;

#define REFUSE(...) do { \
	const uint32_t words[] = { __VA_ARGS__ }; \
	assert_int_equal(read_words(words, sizeof(words), &relocs), -ENOEXEC); \
	assert_null(relocs.offsets); \
} while (0)

	(void)state;
	/* No zero in front; too few tables, too many. */
	REFUSE(AT(0), 0, AT(8));
	REFUSE(0);
	REFUSE(0, AT(0), AT(8));
	REFUSE(0, 0, AT(8));
	REFUSE(0, 0, 0);
	REFUSE(0, AT(0), 0, AT(8), 0, AT(16), 0, AT(24));
	/* Outside of the kernel, in each table, below and above. */
	REFUSE(0, AT(-1), 0, AT(8));
	REFUSE(0, AT(0), 0, AT(-1));
	REFUSE(0, AT(0), 0, AT(-1), 0, AT(16));
	REFUSE(0, AT(KERNEL_LEN - 7), 0, AT(8));
	REFUSE(0, AT(0), 0, AT(KERNEL_LEN - 3));
	REFUSE(0, AT(0), 0, AT(KERNEL_LEN - 3), 0, AT(16));
	REFUSE(0, AT(0), 0, AT(8), 0, AT(KERNEL_LEN - 3));
	REFUSE(0, 0x1000, 0, AT(8));
	REFUSE(0, 0x7fffffff, 0, AT(8));
	REFUSE(0, UINT32_MAX, 0, AT(8));
#undef REFUSE
	assert_int_equal(read_words(two, sizeof(two) - 1, &relocs), -ENOEXEC);
	/* A kernel shorter than an address. */
	assert_int_equal(relocs_read((const char *)two, sizeof(two), BASE, 7, &relocs), -ENOEXEC);
}

static void make_image(struct image *image, uint64_t len)
{
	memset(image, 0, sizeof(*image));
	image->header.kernel_alignment = 2 * MIB;
	image->load_addr = BASE;
	image->load_end = BASE + len;
	image->kernel_len = KERNEL_LEN;
	image->kernel = malloc(KERNEL_LEN);
	assert_non_null(image->kernel);
	fill(image->kernel);
	assert_int_equal(read_words(three, sizeof(three), &image->relocs), 0);
}

/* The virtual address that a kernel of this length is moved to, or an error. */
static int64_t moved_to(uint64_t len, struct error *err)
{
	struct image image;
	uint64_t address;
	int r;

	memset(err, 0, sizeof(*err));
	make_image(&image, len);
	r = kaslr_move(&image, err);
	memcpy(&address, image.kernel, 8);
	address -= 0x1234;
	if (!r) {
		assert_true(image.kaslr);
		assert_moved(image.kernel, address - LINKED, address - LINKED);
		/* Once moved, it stays there. */
		assert_int_equal(kaslr_move(&image, err), 0);
		assert_moved(image.kernel, address - LINKED, address - LINKED);
	}
	image_free(&image);
	return r < 0 ? r : (int64_t)(address - 0xffffffff80000000ULL);
}

static void moves_within_bounds(void **state)
{
	/* A kernel of some 64 MiB has 473 places; never to see the half beyond the middle... */
	uint64_t lowest = UINT64_MAX, highest = 0;
	struct error err;

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint64_t at = moved_to(64 * MIB - 4096, &err);

		assert_int_equal(at % (2 * MIB), 0);
		assert_in_range(at, BASE, 1024 * MIB - 64 * MIB);
		lowest = at < lowest ? at : lowest;
		highest = at > highest ? at : highest;
	}
	/* ... is less likely than 2^-199. */
	assert_true(lowest < 488 * MIB);
	assert_true(highest >= 488 * MIB);
}

static void moves_no_further_than_it_can(void **state)
{
	struct error err;

	(void)state;
	/* One place, then two, then none. */
	assert_int_equal(moved_to(1008 * MIB - 1, &err), BASE);
	for (int i = 0; i < 20; i++)
		assert_in_range(moved_to(1006 * MIB, &err), BASE, BASE + 2 * MIB);
	assert_int_equal(moved_to(1008 * MIB + 1, &err), -ENOEXEC);
	assert_non_null(strstr(err.text, "1026 MiB"));
}

static void leaves_a_kernel_without_tables(void **state)
{
	struct image image;
	struct error err = { 0 };

	(void)state;
	make_image(&image, 64 * MIB);
	relocs_free(&image.relocs);
	assert_int_equal(kaslr_move(&image, &err), 0);
	assert_false(image.kaslr);
	assert_moved(image.kernel, 0, 0);
	image_free(&image);
}

static void heeds_nokaslr(void **state)
{
	(void)state;
	assert_true(kaslr_is_wanted("", 0));
	assert_true(kaslr_is_wanted("root=/dev/vda quiet nvwa=1", 16 << 10));
	assert_false(kaslr_is_wanted("nokaslr", 0));
	assert_false(kaslr_is_wanted("root=/dev/vda nokaslr nvwa=1", 0));
	assert_false(kaslr_is_wanted("quiet -- nokaslr", 0));
	assert_true(kaslr_is_wanted("quiet nokaslrs xnokaslr nokaslr=1", 0));
}

/* Beyond, a kernel with KASLR has no addresses for memory that is added. */
static void leaves_huge_machines_alone(void **state)
{
	(void)state;
	assert_true(kaslr_is_wanted("quiet", 10ULL << 40));
	assert_false(kaslr_is_wanted("quiet", (10ULL << 40) + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_by_three_tables),
		cmocka_unit_test(moves_by_two_tables),
		cmocka_unit_test(takes_an_empty_table),
		cmocka_unit_test(takes_a_kernel_without_tables),
		cmocka_unit_test(refuses_broken_tables),
		cmocka_unit_test(moves_within_bounds),
		cmocka_unit_test(moves_no_further_than_it_can),
		cmocka_unit_test(leaves_a_kernel_without_tables),
		cmocka_unit_test(heeds_nokaslr),
		cmocka_unit_test(leaves_huge_machines_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
