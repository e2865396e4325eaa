// SPDX-License-Identifier: GPL-2.0-only
/* What forbids an update, told from the files of a machine that is not this one. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"
#include "tool/machine.h"

#define LOCKDOWN	"/sys/kernel/security/lockdown"
#define SECURE_BOOT	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static char *const root = temp_dir;

static void put(const char *path, const char *data, size_t len)
{
	char full[PATH_MAX];

	assert_int_equal(path_format(full, sizeof(full), "%s%s", root, path), 0);
	assert_int_equal(file_write(full, data, len, 0644), 0);
}

/* What all checks together say: "" if nothing stands against an update. */
static const char *said(void)
{
	static struct error err;

	memset(&err, 0, sizeof(err));
	for (size_t i = 0; i < machine_nr_locks; i++) {
		int r = machine_locks[i](root, &err);

		assert_int_equal(r, err.text[0] ? -EPERM : 0);
		if (r < 0)
			break;
	}
	return err.text;
}

static void test_bare(void **state)
{
	(void)state;
	assert_string_equal(said(), "");
}

static void test_lockdown(void **state)
{
	(void)state;
	put(LOCKDOWN, "[none] integrity confidentiality\n", 33);
	assert_string_equal(said(), "");
	put(LOCKDOWN, "none [integrity] confidentiality\n", 33);
	assert_non_null(strstr(said(), "locked down"));
	assert_non_null(strstr(said(), "none [integrity] confidentiality)"));
	put(LOCKDOWN, "none integrity [confidentiality]\n", 33);
	assert_non_null(strstr(said(), "locked down"));
	put(LOCKDOWN, "[none] integrity confidentiality\n", 33);
}

static void test_secure_boot(void **state)
{
	(void)state;
	put(SECURE_BOOT, "\6\0\0\0\0", 5);
	assert_string_equal(said(), "");
	put(SECURE_BOOT, "\6\0\0\0\1", 5);
	assert_non_null(strstr(said(), "Secure Boot is on"));
	/* Shorter than such a variable can be: not a word about Secure Boot. */
	put(SECURE_BOOT, "\6\0", 2);
	assert_string_equal(said(), "");
}

static void test_available_memory(void **state)
{
	static const char good[] = "MemTotal:        2048 kB\nMemAvailable:    1024 kB\n"
		"SwapCached:         3 kB\nSwapTotal:        300 kB\nSwapFree:         100 kB\n";
	static const char bad[] = "MemTotal:        2048 kB\n";
	uint64_t bytes = 0, swap = 0;

	(void)state;
	put("/proc/meminfo", good, sizeof(good) - 1);
	assert_int_equal(machine_memory(root, &bytes, &swap), 0);
	assert_int_equal(bytes, 1 << 20);
	assert_int_equal(swap, 200 << 10);
	put("/proc/meminfo", bad, sizeof(bad) - 1);
	assert_int_equal(machine_memory(root, &bytes, &swap), -EBADMSG);
	assert_int_equal(machine_memory("/nonexistent", &bytes, &swap), -ENOENT);
}

static void test_clock_doubt(void **state)
{
	static const char clocksource[] =
		"/sys/devices/system/clocksource/clocksource0/current_clocksource";
	static const char good[] = "flags\t\t: fpu tsc constant_tsc rep_good nonstop_tsc avx\n";
	static const char bad[] = "flags\t\t: fpu tsc constant_tsc rep_good avx\n";

	(void)state;
	assert_non_null(strstr(machine_clock_doubt(root), "does not trust"));
	put(clocksource, "tsc\n", 4);
	put("/proc/cpuinfo", bad, strlen(bad));
	assert_non_null(strstr(machine_clock_doubt(root), "does not say"));
	put("/proc/cpuinfo", good, strlen(good));
	assert_null(machine_clock_doubt(root));
	put(clocksource, "hpet\n", 5);
	assert_non_null(strstr(machine_clock_doubt(root), "does not trust"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_lockdown),
		cmocka_unit_test(test_secure_boot),
		cmocka_unit_test(test_available_memory),
		cmocka_unit_test(test_clock_doubt),
	};

	return cmocka_run_group_tests_name("machine", tests, make_temp_dir, remove_temp_dir);
}
