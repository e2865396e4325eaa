// SPDX-License-Identifier: GPL-2.0-only
/* What is written of an app is read again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/apps/meta.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

static char *const dir = temp_dir;

static void test_extras(void **state)
{
	struct nvwa_range guards[] = { { 0x7f0000001000, 0x1000 }, { 0x7f0000005000, 0x3000 } };
	struct process_extra extras[] = {
		{ .pid = 500, .lock_future = true, .lock_on_fault = true },
		{ .pid = 501, .guards = guards, .nr_guards = 2 },
	};
	struct app_dumped dumped = {
		.extras = extras, .nr_extras = 2, .has_sysv = true, .criu_version = 40101,
		.tsc = 1ULL << 60,
	}, back;
	struct error err = { "" };

	(void)state;
	assert_int_equal(dumped_write(dir, &dumped, &err), 0);
	assert_int_equal(dumped_read(dir, &back, &err), 0);
	assert_true(back.has_sysv);
	assert_false(back.hidden_userns);
	assert_int_equal(back.criu_version, 40101);
	assert_true(back.tsc == 1ULL << 60);
	assert_int_equal(back.nr_extras, 2);
	assert_int_equal(back.extras[0].pid, 500);
	assert_true(back.extras[0].lock_future && back.extras[0].lock_on_fault);
	assert_int_equal(back.extras[0].nr_guards, 0);
	assert_int_equal(back.extras[1].pid, 501);
	assert_false(back.extras[1].lock_future || back.extras[1].lock_on_fault);
	assert_int_equal(back.extras[1].nr_guards, 2);
	assert_memory_equal(back.extras[1].guards, guards, sizeof(guards));
	dumped_free(&back);
	assert_int_equal(back.nr_extras, 0);
}

/* What nobody can have written is refused, and nothing is left to be freed. */
static void test_refused(void **state)
{
	static const char *const texts[] = {
		"", "[]", "{}", "{\"version\": 2}",
		"{\"version\": 1, \"extras\": [{\"pid\": 0}]}",
		"{\"version\": 1, \"extras\": [{\"pid\": 5, \"guards\": [{\"start\": 4096}]}]}",
		"{\"version\": 1, \"shmem\": [{\"pid\": 5}]}",
	};
	struct app_dumped back;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/dump.json", dir);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct error err = { "" };

		assert_int_equal(file_write(path, texts[i], strlen(texts[i]), 0600), 0);
		assert_true(dumped_read(dir, &back, &err) < 0);
		assert_string_not_equal(err.text, "");
		assert_null(back.extras);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extras),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
