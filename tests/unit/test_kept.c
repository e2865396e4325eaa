// SPDX-License-Identifier: GPL-2.0-only
/* The unpacked kernel on disk: used only if nothing about it or its image has changed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/kexec/kept.h"
#include "tests/unit/temp-dir.h"

#define RELEASE	"6.12.1-test"
#define LEN	(256 * 1024)

static char *const root = temp_dir;
static char dir[64], file[80], image[64];
static char kernel[LEN];

static int make_root(void **state)
{
	if (make_temp_dir(state))
		return -1;
	snprintf(dir, sizeof(dir), "%s/cache/nvwa", root);
	snprintf(file, sizeof(file), "%s/kernel", dir);
	snprintf(image, sizeof(image), "%s/vmlinuz", root);
	for (size_t i = 0; i < sizeof(kernel); i++)
		kernel[i] = i * i >> 5;
	return 0;
}

static void keep(void)
{
	struct kept_source source;
	struct error err = { 0 };

	assert_int_equal(file_write(image, "packed", 6, 0644), 0);
	assert_int_equal(kept_source(RELEASE, image, &source), 0);
	assert_int_equal(kept_write(dir, &source, kernel, LEN, &err), 0);
}

static int look(struct kept *kept, struct error *err)
{
	memset(err, 0, sizeof(*err));
	return kept_look(dir, kept, err);
}

static int read_as(const char *release, struct error *err)
{
	struct kept_source source;
	struct kept kept;
	char *data = NULL;
	size_t len;
	int r;

	memset(err, 0, sizeof(*err));
	assert_int_equal(kept_source(release, image, &source), 0);
	r = kept_read(dir, &source, &kept, &data, &len, err);
	if (!r) {
		assert_int_equal(len, LEN);
		assert_memory_equal(data, kernel, LEN);
		assert_string_equal(kept.release, release);
	}
	free(data);
	return r;
}

static void assert_unfit(const char *word)
{
	struct error err;

	assert_int_equal(read_as(RELEASE, &err), -ESTALE);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void flip(off_t at)
{
	FILE *f = fopen(file, "r+");
	int c;

	assert_non_null(f);
	assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
	c = fgetc(f);
	assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
	assert_int_equal(fputc(c ^ 4, f), c ^ 4);
	assert_int_equal(fclose(f), 0);
}

static void gives_back_what_it_took(void **state)
{
	struct stat st;
	struct kept kept;
	struct error err;

	(void)state;
	assert_int_equal(look(&kept, &err), -ENOENT);
	keep();
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(look(&kept, &err), 0);
	assert_string_equal(kept.release, RELEASE);
	assert_int_equal(kept.bytes, LEN);
	assert_true(kept.prepared > 1600000000);
	assert_int_equal(read_as(RELEASE, &err), 0);
	/* Once more over what is there. */
	keep();
	assert_int_equal(read_as(RELEASE, &err), 0);
	assert_int_equal(kept_remove(dir), 0);
	assert_int_equal(read_as(RELEASE, &err), -ENOENT);
	assert_int_equal(kept_remove(dir), 0);
}

static void sees_another_image(void **state)
{
	struct timespec past[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct error err;
	struct kept kept;
	char other[80];

	(void)state;
	keep();
	assert_int_equal(read_as("6.13", &err), -ESTALE);
	assert_string_equal(err.text, "it is of " RELEASE);

	/* By its time, its length, its inode, and by its path. */
	assert_int_equal(utimensat(AT_FDCWD, image, past, 0), 0);
	assert_unfit("vmlinuz has changed");
	assert_int_equal(look(&kept, &err), -ESTALE);
	keep();
	assert_int_equal(truncate(image, 5), 0);
	assert_unfit("vmlinuz has changed");
	keep();
	snprintf(other, sizeof(other), "%s.other", image);
	assert_int_equal(file_write(other, "packed", 6, 0644), 0);
	assert_int_equal(rename(other, image), 0);
	assert_unfit("vmlinuz has changed");
	keep();
	assert_int_equal(unlink(image), 0);
	assert_int_equal(look(&kept, &err), -ESTALE);
	assert_non_null(strstr(err.text, "not there any more"));
	assert_string_equal(kept.release, RELEASE);
}

static void sees_damage(void **state)
{
	struct kept kept;
	struct error err;
	struct stat st;

	(void)state;
	keep();
	assert_int_equal(stat(file, &st), 0);
	/* Each byte of the header, and some of the kernel. */
	for (off_t at = 0; at < st.st_size; at += at < st.st_size - LEN ? 1 : 9999) {
		flip(at);
		assert_int_equal(read_as(RELEASE, &err), -ESTALE);
		flip(at);
	}
	flip(-1);
	assert_unfit("damaged");
	/* Which is too much to find out for "nvwa status". */
	assert_int_equal(look(&kept, &err), 0);

	keep();
	assert_int_equal(truncate(file, st.st_size - 1), 0);
	assert_unfit("length");
	assert_int_equal(look(&kept, &err), -ESTALE);
	assert_int_equal(truncate(file, 100), 0);
	assert_unfit("damaged");
	assert_int_equal(truncate(file, 0), 0);
	assert_unfit("damaged");
	keep();
	assert_int_equal(truncate(file, st.st_size + 1), 0);
	assert_unfit("length");
}

static void takes_only_what_is_private(void **state)
{
	char other[96];

	(void)state;
	keep();
	assert_int_equal(chmod(file, 0640), 0);
	assert_unfit("other users had access");
	keep();
	assert_int_equal(chmod(dir, 0701), 0);
	assert_unfit("other users had access");
	keep();
	snprintf(other, sizeof(other), "%s.other", file);
	assert_int_equal(rename(file, other), 0);
	assert_int_equal(symlink(other, file), 0);
	assert_unfit("no file that could be read");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_unfit("no file that could be read");
	keep();
	if (geteuid() == 0) {
		assert_int_equal(chown(file, 1, -1), 0);
		assert_unfit("another user");
		keep();
		assert_int_equal(chown(dir, 1, -1), 0);
		assert_unfit("another user");
		keep();
	}
}

static void says_what_stands_in_the_way(void **state)
{
	struct kept_source source;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(file_write(image, "packed", 6, 0644), 0);
	assert_int_equal(kept_source(RELEASE, image, &source), 0);
	assert_int_equal(kept_write("/proc/nvwa", &source, kernel, LEN, &err), -ENOENT);
	assert_non_null(strstr(err.text, "cannot be kept in /proc/nvwa"));
	assert_int_equal(kept_source(RELEASE, "/nonesuch/vmlinuz", &source), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_it_took),
		cmocka_unit_test(sees_another_image),
		cmocka_unit_test(sees_damage),
		cmocka_unit_test(takes_only_what_is_private),
		cmocka_unit_test(says_what_stands_in_the_way),
	};

	return cmocka_run_group_tests_name("kept", tests, make_root, remove_temp_dir);
}
