// SPDX-License-Identifier: GPL-2.0-only
/* The sums in kernel images: of signed ones, of those before 6.16, and of those that have none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

#include "lib/kexec/checksum.h"

#define LIMIT		4000	/* where the kernel ends */
#define CERTIFICATES	4008
#define LEN		4096
#define PE		0x40
#define CHECKSUM	(PE + 24 + 64)
#define NR_DIRS		(PE + 24 + 108)
#define DIRECTORY	(PE + 24 + 144)

static unsigned char image[LEN];

static void put32(size_t at, uint32_t n)
{
	memcpy(image + at, &n, sizeof(n));
}

/* As the kernel is built: with a PE header, and a CRC-32 at its end. */
static void build(void)
{
	memset(image, 0, sizeof(image));
	for (size_t i = 0x200; i < LIMIT; i++)
		image[i] = i * i >> 3;
	put32(0x3c, PE);
	memcpy(image + PE, "PE\0", 4);
	image[PE + 24] = 0x0b;
	image[PE + 25] = 0x02;
	put32(NR_DIRS, 6);
	put32(LIMIT - 4, ~crc32(0, image, LIMIT - 4));
}

/* As its signature is added: a sum of all the rest, among other things, at the end. */
static void sign(void)
{
	unsigned char hashed[LEN];
	size_t len = 0;

	for (size_t i = 0; i < CERTIFICATES; i++) {
		if (i / 4 != CHECKSUM / 4 && i / 8 != DIRECTORY / 8)
			hashed[len++] = image[i];
	}
	memset(image + CERTIFICATES, 0x30, LEN - CERTIFICATES);
	checksum_sha256(hashed, len, image + CERTIFICATES + 24);
	put32(CHECKSUM, 0x1234567);
	put32(DIRECTORY, CERTIFICATES);
	put32(DIRECTORY + 4, LEN - CERTIFICATES);
}

static int check(size_t len)
{
	return checksum_image(image, len, LIMIT);
}

/* Each byte of it counts, but for those that are not in the sum. */
static void assert_all_counts(size_t end, size_t len)
{
	for (size_t i = 0; i < end; i++) {
		int wanted = -EBADMSG;

		if (i / 4 == CHECKSUM / 4 || (i / 8 == DIRECTORY / 8 && len == LIMIT))
			continue;
		image[i] ^= 1;
		/* Without its PE header it is another kind of image; then the CRC is wrong. */
		if (check(len) != wanted)
			fail_msg("byte %zx does not count", i);
		image[i] ^= 1;
	}
}

static void knows_unsigned(void **state)
{
	(void)state;
	build();
	assert_int_equal(check(LIMIT), 0);
	assert_all_counts(LIMIT, LIMIT);
	/* What signing leaves behind when the signature is taken off. */
	put32(CHECKSUM, 0x1234567);
	assert_int_equal(check(LIMIT), 0);
}

static void knows_signed(void **state)
{
	(void)state;
	build();
	sign();
	assert_int_equal(check(LEN), 0);
	assert_all_counts(CERTIFICATES, LEN);
	image[CERTIFICATES + 24 + 31] ^= 0x80;
	assert_int_equal(check(LEN), -EBADMSG);
	image[CERTIFICATES + 24 + 31] ^= 0x80;
	/* The signatures are out of the file. */
	assert_int_equal(check(LEN - 8), -EBADMSG);
	put32(DIRECTORY, UINT32_MAX);
	assert_int_equal(check(LEN), -EBADMSG);
	put32(DIRECTORY, 8);
	assert_int_equal(check(LEN), -EBADMSG);
}

static void lets_pass_what_has_none(void **state)
{
	(void)state;
	build();
	put32(LIMIT - 4, 0);
	assert_int_equal(check(LIMIT), 0);
	/* No PE header, which kernels without EFI do not have. */
	memset(image, 0, 0x200);
	assert_int_equal(check(LIMIT), 0);
	assert_int_equal(checksum_image(image, 2, LIMIT), 0);
	assert_int_equal(checksum_image(image, LIMIT, 3), 0);
	put32(0x3c, UINT32_MAX);
	assert_int_equal(check(LIMIT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_unsigned),
		cmocka_unit_test(knows_signed),
		cmocka_unit_test(lets_pass_what_has_none),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
