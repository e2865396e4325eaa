// SPDX-License-Identifier: GPL-2.0-only
/* Which kernel is the newer one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/kexec/release.h"

/* Each is older than the one after it. */
static const char *const ordered[] = {
	"4.19.0-27-amd64",
	"5.10.0-9-amd64",
	"5.10.0-36-amd64",
	"6.1.0-0.deb11.7-amd64",
	"6.1.0-9-amd64",
	"6.1.0-56-amd64",
	"6.1.0-57-cloud-amd64",
	"6.9.12-amd64",
	"6.10~rc7-amd64",
	"6.10-amd64",
	"6.10.3+bpo-amd64",
	"6.12.9-amd64",
	"6.12.9+bpo-amd64",
	"6.12.9+deb13-amd64",
	"6.12.10-amd64",
	"6.12.117+deb12-amd64",
	"6.12.117+deb13-amd64",
	"6.12.118+deb13~bpo12-amd64",
	"6.12.118+deb13-amd64",
	"6.12.118+deb13.1-amd64",
	"7.3.4~rc1",
	"7.3.4",
	"7.3.4+deb13-amd64",
	"10.0-amd64",
};

static void test_order(void **state)
{
	const size_t nr = sizeof(ordered) / sizeof(ordered[0]);

	(void)state;
	for (size_t i = 0; i < nr; i++) {
		for (size_t j = 0; j < nr; j++) {
			const int r = release_compare(ordered[i], ordered[j]);

			if (i == j ? r != 0 : (r < 0) != (i < j))
				fail_msg("%s and %s: %d", ordered[i], ordered[j], r);
		}
	}
}

static void test_flavours(void **state)
{
	(void)state;
	assert_int_equal(release_compare("6.12.118+deb13-amd64", "6.12.118+deb13-rt-amd64"), 0);
	assert_int_equal(release_compare("6.1.0-57-cloud-amd64", "6.1.0-57-amd64"), 0);
	assert_true(release_compare("6.1.0-58-amd64", "6.1.0-57-cloud-amd64") > 0);
}

static void test_odd(void **state)
{
	(void)state;
	assert_int_equal(release_compare("", ""), 0);
	assert_true(release_compare("", "6.1") < 0);
	assert_int_equal(release_compare("6.01", "6.1"), 0);
	assert_true(release_compare("6.99999999999999999999999", "6.100000000000000000000000") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_flavours),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
