// SPDX-License-Identifier: GPL-2.0-only
/* The helpers that everything rests on: errors, files, commands, superblocks. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/superblock.h"
#include "tests/unit/temp-dir.h"

static char *const dir = temp_dir;
static char path[PATH_MAX];

static const char *in_dir(const char *name)
{
	assert_int_equal(path_format(path, sizeof(path), "%s/%s", dir, name), 0);
	return path;
}

static void first_error_wins(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(error_set(&err, ENOENT, "no %s", "file"), -ENOENT);
	assert_int_equal(error_set(&err, EIO, "other"), -EIO);
	assert_string_equal(err.text, "no file");
	assert_int_equal(error_set(NULL, -EIO, "nobody cares"), -EIO);
}

static void writes_and_reads_files(void **state)
{
	struct stat st;
	char *data;
	size_t len;

	(void)state;
	assert_int_equal(file_write(in_dir("a/b/c"), "x\0y", 3, 0600), 0);
	assert_int_equal(file_read(path, &data, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "x\0y", 4);
	free(data);
	/* An existing file is replaced, mode and all. */
	assert_int_equal(file_write(path, "", 0, 0644), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(dir_make(path), -ENOTDIR);
	assert_int_equal(file_read(in_dir("none"), &data, NULL), -ENOENT);
	assert_int_equal(file_read(dir, &data, NULL), -EISDIR);
	/* A file of /proc has no size. */
	assert_int_equal(file_read("/proc/self/mountinfo", &data, &len), 0);
	assert_true(len > 0 && strlen(data) == len);
	free(data);
}

static void makes_private_directories(void **state)
{
	const mode_t mask = umask(0);
	struct stat st;

	(void)state;
	assert_int_equal(dir_make_private(in_dir("private/below")), 0);
	umask(mask);
	assert_int_equal(stat(in_dir("private"), &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(stat(in_dir("private/below"), &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(dir_make_private(in_dir("private")), 0);
}

static void reads_large_files(void **state)
{
	const size_t size = 100001;
	char *data, *back;
	size_t len;

	(void)state;
	data = malloc(size);
	memset(data, 'q', size);
	assert_int_equal(file_write(in_dir("large"), data, size, 0600), 0);
	assert_int_equal(file_read(path, &back, &len), 0);
	assert_int_equal(len, size);
	assert_memory_equal(data, back, size);
	free(data);
	free(back);
}

static void removes_trees(void **state)
{
	(void)state;
	assert_int_equal(file_write(in_dir("t/a/b"), "", 0, 0600), 0);
	assert_int_equal(file_write(in_dir("kept"), "", 0, 0600), 0);
	/* A link is removed, what it points to stays. */
	assert_int_equal(symlink("../kept", in_dir("t/link")), 0);
	assert_int_equal(tree_remove(in_dir("t")), 0);
	assert_int_equal(access(in_dir("t"), F_OK), -1);
	assert_int_equal(access(in_dir("kept"), F_OK), 0);
	assert_int_equal(tree_remove(in_dir("t")), 0);
}

static void runs_commands(void **state)
{
	char *const mixed[] = { "sh", "-c", "echo out; echo err >&2; exit 7", NULL };
	char *const much[] = { "sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' a", NULL };
	char *const killed[] = { "sh", "-c", "kill -TERM $$", NULL };
	char *const daemon[] = { "sh", "-c", "sleep 2 & echo started", NULL };
	char *const missing[] = { "/nowhere/command", NULL };
	char *output;

	(void)state;
	assert_int_equal(command_run(mixed, &output), 7);
	assert_string_equal(output, "out\nerr\n");
	free(output);
	assert_int_equal(command_run(much, &output), 0);
	assert_int_equal(strlen(output), 4 << 20);
	free(output);
	assert_int_equal(command_run(killed, NULL), 128 + 15);
	/* What it leaves behind is not waited for. */
	assert_int_equal(command_run(daemon, &output), 0);
	assert_string_equal(output, "started\n");
	free(output);
	assert_int_equal(command_run(missing, &output), -ENOENT);
}

static void on_signal(int number)
{
	(void)number;
}

/* The command sends us signals, and would do so for ever. */
static void ends_commands_when_interrupted(void **state)
{
	struct sigaction act = { .sa_handler = on_signal };
	char *argv[] = { "sh", "-c", "while kill -USR1 $PPID; do sleep 0.05; done", NULL };

	(void)state;
	sigaction(SIGUSR1, &act, NULL);
	assert_int_equal(command_run(argv, NULL), 128 + SIGTERM);
	signal(SIGUSR1, SIG_DFL);
}

static void formats_paths_or_refuses(void **state)
{
	char small[8];

	(void)state;
	assert_int_equal(path_format(small, sizeof(small), "%s", "1234567"), 0);
	assert_int_equal(path_format(small, sizeof(small), "%s", "12345678"), -ENAMETOOLONG);
}

static void keeps_a_timeline(void **state)
{
	unsigned long long a, b;
	char *text;

	(void)state;
	timeline_stamp("one");
	timeline_stamp("two");
	text = timeline_text();
	assert_int_equal(sscanf(text, "one %llu\ntwo %llu\n", &a, &b), 2);
	assert_true(b > a);
	free(text);
	/* A full table drops stamps and no more. */
	for (int i = 0; i < 1000; i++)
		timeline_stamp("a-step-with-a-name-that-is-longer-than-any");
	free(timeline_text());
}

static int read_image(const void *data, size_t len, off_t at, struct superblock *sb)
{
	int fd = memfd_create("disk", 0), r;

	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(pwrite(fd, data, len, at), len);
	r = superblock_read(fd, sb);
	close(fd);
	return r;
}

static void knows_superblocks(void **state)
{
	static const unsigned char uuid[16] = {
		0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
		0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10,
	};
	static const char text[] = "01234567-89ab-cdef-fedc-ba9876543210";
	unsigned char block[512] = { 0 };
	struct superblock sb;

	(void)state;
	assert_int_equal(read_image(block, sizeof(block), 0, &sb), -ENODATA);

	memcpy(block + 0x38, "\x53\xef", 2);
	memcpy(block + 0x68, uuid, 16);
	assert_int_equal(read_image(block, sizeof(block), 1024, &sb), 0);
	assert_string_equal(sb.type, "ext4");
	assert_string_equal(sb.uuid, text);
	assert_int_equal(sb.nr_devices, 1);

	memset(block, 0, sizeof(block));
	memcpy(block, "XFSB", 4);
	memcpy(block + 32, uuid, 16);
	assert_int_equal(read_image(block, sizeof(block), 0, &sb), 0);
	assert_string_equal(sb.type, "xfs");
	assert_string_equal(sb.uuid, text);

	memset(block, 0, sizeof(block));
	memcpy(block + 0x40, "_BHRfS_M", 8);
	memcpy(block + 0x20, uuid, 16);
	block[0x88] = 2;
	assert_int_equal(read_image(block, sizeof(block), 65536, &sb), 0);
	assert_string_equal(sb.type, "btrfs");
	assert_string_equal(sb.uuid, text);
	assert_int_equal(sb.nr_devices, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_error_wins),
		cmocka_unit_test(writes_and_reads_files),
		cmocka_unit_test(makes_private_directories),
		cmocka_unit_test(reads_large_files),
		cmocka_unit_test(removes_trees),
		cmocka_unit_test(runs_commands),
		cmocka_unit_test(ends_commands_when_interrupted),
		cmocka_unit_test(formats_paths_or_refuses),
		cmocka_unit_test(keeps_a_timeline),
		cmocka_unit_test(knows_superblocks),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
