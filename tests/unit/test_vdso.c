// SPDX-License-Identifier: GPL-2.0-only
/* Replacing a function in a copy of this process's own vdso, and calling it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "lib/apps/vdso.h"

#define LEN	4096UL		/* enough for any function that is tried; the tables come first */
#define TWO	(2 * LEN)

static uint8_t *copy_own(void)
{
	const void *own = (const void *)getauxval(AT_SYSINFO_EHDR);
	uint8_t *code;

	if (!own)
		skip();
	code = mmap(NULL, TWO, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(code, MAP_FAILED);
	memcpy(code, own, TWO);
	return code;
}

static void test_replace(void **state)
{
	const uint8_t stub[] = { 0xb8, SYS_clock_getres, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	struct timespec plain = { 0, 0 }, made = { 0, 0 };
	uint8_t *code = copy_own(), *at;
	int (*function)(clockid_t id, struct timespec *ts);

	(void)state;
	assert_int_equal(vdso_make_syscall(code, TWO, "__vdso_clock_getres", SYS_clock_getres), 0);
	at = memmem(code, TWO, stub, sizeof(stub));
	assert_non_null(at);
	assert_int_equal(mprotect(code, TWO, PROT_READ | PROT_EXEC), 0);
	memcpy(&function, &at, sizeof(at));
	assert_int_equal(function(CLOCK_MONOTONIC, &made), 0);
	assert_int_equal(clock_getres(CLOCK_MONOTONIC, &plain), 0);
	assert_int_equal(made.tv_nsec, plain.tv_nsec);
	assert_true(made.tv_nsec > 0);
	munmap(code, TWO);
}

static void test_refuse(void **state)
{
	uint8_t *code = copy_own();

	(void)state;
	assert_int_equal(vdso_make_syscall(code, TWO, "__vdso_none_such", 1), -ENOENT);
	code[0] = 0;
	assert_int_equal(vdso_make_syscall(code, TWO, "__vdso_clock_getres", 1), -EBADMSG);
	assert_int_equal(vdso_make_syscall(code, 10, "__vdso_clock_getres", 1), -EBADMSG);
	munmap(code, TWO);
}

/* Whatever single byte of the first page is wrong, nothing beyond the image is touched. */
static void test_broken(void **state)
{
	uint8_t *good = copy_own(), *heap = malloc(TWO);

	(void)state;
	assert_non_null(heap);
	for (size_t i = 0; i < LEN; i++) {
		memcpy(heap, good, TWO);
		heap[i] ^= 0xff;
		vdso_make_syscall(heap, TWO, "__vdso_clock_getres", 1);
	}
	free(heap);
	munmap(good, TWO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
