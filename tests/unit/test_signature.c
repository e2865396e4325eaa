// SPDX-License-Identifier: GPL-2.0-only
/* Where the signature of a kernel module begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/kexec/signature.h"

#define MARKER	"~Module signature appended~\n"

/* "MODULE", a signature of so many bytes as it says and as there are, the marker. */
static size_t make(char *buf, uint8_t said, size_t there, const char *marker)
{
	char *at = buf;

	at = mempcpy(at, "MODULE", 6);
	memset(at, 's', there);
	at += there;
	memset(at, 0, 12);
	at[11] = said;
	at += 12;
	at = mempcpy(at, marker, strlen(marker));

	return at - buf;
}

static void test_signed(void **state)
{
	char buf[300];

	(void)state;
	assert_int_equal(signature_start(buf, make(buf, 200, 200, MARKER)), 6);
	assert_int_equal(signature_start(buf, make(buf, 0, 0, MARKER)), 6);
}

static void test_not_signed(void **state)
{
	char buf[300];
	size_t len;

	(void)state;
	assert_int_equal(signature_start("MODULE", 6), 6);
	assert_int_equal(signature_start("", 0), 0);
	assert_int_equal(signature_start(MARKER, strlen(MARKER)), strlen(MARKER));
	len = make(buf, 20, 20, "~Module signature appendix~\n");
	assert_int_equal(signature_start(buf, len), len);
}

static void test_impossible_length(void **state)
{
	char buf[300];
	size_t len = make(buf, 40, 20, MARKER);

	(void)state;
	assert_int_equal(signature_start(buf, len), len);
	assert_int_equal(signature_start(buf + 20, len - 20), len - 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_not_signed),
		cmocka_unit_test(test_impossible_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
