// SPDX-License-Identifier: GPL-2.0-only
/* Files that are carried as an archive: how much there is, no more is written, all comes back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/apps/archive.h"
#include "lib/apps/tree-size.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

#define MIB	(1UL << 20)

static char *below(const char *name)
{
	static char path[4][256];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", temp_dir, name);
	return path[i];
}

static void make_file(const char *name, size_t len)
{
	_cleanup_free_ char *data = malloc(len + 1);

	memset(data, 'x', len);
	assert_int_equal(file_write(below(name), data, len, 0640), 0);
}

static void make_hole(const char *name, off_t len)
{
	assert_int_equal(file_write(below(name), "", 0, 0600), 0);
	assert_int_equal(truncate(below(name), len), 0);
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static struct tree_size measure(const char *name, const char *skip)
{
	struct tree_size size = { 0 };

	assert_int_equal(tree_size_add(below(name), name, skip, &size), 0);
	return size;
}

/* What was foretold is enough for what tar makes of it, and not far from it. */
static void test_size(void **state)
{
	uint64_t left = 64 * MIB;
	struct tree_size size;
	struct error err = { "" };
	char text[512];

	(void)state;
	make_file("size/a/two", 2 * MIB);
	make_file("size/a/three\nlines", 3 * MIB);
	make_file("size/one", MIB);
	make_file("size/half", MIB / 2);
	make_file("size/skipped-1", 9 * MIB);
	make_hole("size/hole", 1L << 40);
	assert_int_equal(link(below("size/one"), below("size/again")), 0);
	assert_int_equal(symlink("one", below("size/link")), 0);
	for (int i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "size/small/%d", i);
		make_file(name, 10);
	}
	size = measure("size", "skipped-");
	assert_int_equal(size.nr, 110);

	assert_int_equal(archive_save_inside(below("size.tar"), below("size"), "size", "skipped-",
					     &left, &err), 0);
	assert_int_equal(left, 64 * MIB - size_of(below("size.tar")));
	assert_in_range(size_of(below("size.tar")), 13 * MIB / 2, size.bytes + 10240);
	assert_true(size.bytes < size_of(below("size.tar")) + MIB / 4);

	tree_size_say(&size, text, sizeof(text));
	assert_ptr_equal(strstr(text, "size/a/three?lines (3 MiB, of "), text);
	assert_non_null(strstr(text, ", size/a/two (2 MiB, of "));
	/* Each of its names stands for a half. */
	assert_non_null(strstr(text, ", size/half (1 MiB, of ") ?: strstr(text, ", size/one ("));

	assert_int_equal(dir_make(below("back")), 0);
	make_file("back/half", 3);
	assert_int_equal(archive_add(below("size.tar"), below("back"), &err), 0);
	assert_int_equal(size_of(below("back/half")), 3);
	assert_int_equal(size_of(below("back/a/two")), 2 * MIB);
	assert_int_equal(size_of(below("back/hole")), 1L << 40);
	assert_int_equal(access(below("back/skipped-1"), F_OK), -1);
}

/* A tree that grew meanwhile: no more is written than may be, and it is said which it was. */
static void test_limit(void **state)
{
	struct error err = { "" };
	uint64_t left = 2 * MIB;

	(void)state;
	make_file("limit/file", 5 * MIB);
	assert_int_equal(archive_save(below("limit.tar"), 0, below("limit"), &left, &err), -EFBIG);
	assert_non_null(strstr(err.text, "/limit have become more"));
	assert_in_range(size_of(below("limit.tar")), 0, 2 * MIB);
	assert_int_equal(left, 2 * MIB);
	/* Nothing of the limit stays with us. */
	make_file("limit/other", 5 * MIB);
	left = 11 * MIB;
	memset(&err, 0, sizeof(err));
	assert_int_equal(archive_save(below("limit.tar"), 0, below("limit"), &left, &err), 0);
	assert_in_range(left, 1, MIB);
	/* Without files there is no archive. */
	assert_int_equal(archive_save(below("none.tar"), 0, below("none"), &left, &err), 0);
	assert_int_equal(access(below("none.tar"), F_OK), -1);
	assert_int_equal(measure("none", NULL).nr, 0);
}

static void test_too_many(void **state)
{
	struct tree_size size = { 0 };
	char path[256], name[300];
	int deep, i;

	(void)state;
	assert_int_equal(dir_make(below("many/user")), 0);
	snprintf(path, sizeof(path), "%s", below("many/user"));
	make_file("many/user/0", 0);
	for (i = 1; i < TREE_FILES_MOST; i++) {
		snprintf(name, sizeof(name), "%s/%d", path, i);
		assert_int_equal(symlink("0", name), 0);
	}
	assert_int_equal(tree_size_add(below("many"), "/tmp", NULL, &size), -E2BIG);
	assert_int_equal(size.nr, TREE_FILES_MOST);
	assert_ptr_equal(strstr(size.crowded.path, "/tmp/user/"), size.crowded.path);
	assert_int_equal(size.crowded.uid, getuid());

	memset(&size, 0, sizeof(size));
	assert_int_equal(dir_make(below("deep")), 0);
	deep = open(below("deep"), O_RDONLY | O_DIRECTORY);
	for (i = 0; i < TREE_DEPTH_MOST; i++) {
		int next;

		assert_int_equal(mkdirat(deep, "d", 0700), 0);
		next = openat(deep, "d", O_RDONLY | O_DIRECTORY);
		close(deep);
		deep = next;
	}
	close(deep);
	assert_int_equal(tree_size_add(below("deep"), "deep", NULL, &size), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
