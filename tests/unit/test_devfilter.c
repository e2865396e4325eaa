// SPDX-License-Identifier: GPL-2.0-only
/* The file of a service's device filters, and the filters themselves where we may have some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "lib/apps/devfilter.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

#define LEN(list)	(sizeof(list) / sizeof((list)[0]))

/* The format, written down once more. */
struct file {
	char magic[8];
	uint32_t version, nr;
	struct {
		char name[16];
		uint32_t nr_insns, zero;
		struct bpf_insn insns[8];
	} programs[2];
};

/* Character devices with minor number 3, as is /dev/null: the way that systemd asks. */
static const struct bpf_insn only_null[8] = {
	{ BPF_LDX | BPF_W | BPF_MEM, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0 },
	{ BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff },
	{ BPF_LDX | BPF_W | BPF_MEM, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0 },
	{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0 },
	{ BPF_JMP | BPF_JNE | BPF_K, 2, 0, 2, BPF_DEVCG_DEV_CHAR },
	{ BPF_JMP | BPF_JNE | BPF_K, 5, 0, 1, 3 },
	{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1 },
	{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
};

static struct file good_file(void)
{
	struct file f = { .magic = "nvwadev", .version = 1, .nr = 2 };

	for (size_t i = 0; i < LEN(f.programs); i++) {
		strcpy(f.programs[i].name, i ? "" : "sd_devices");
		f.programs[i].nr_insns = LEN(only_null);
		memcpy(f.programs[i].insns, only_null, sizeof(only_null));
	}

	return f;
}

/* Of a copy that ends where it ends, so that reading on is found. */
static int parse(const void *data, size_t len)
{
	struct devfilter list[DEVFILTER_MAX];
	_cleanup_free_ void *copy = malloc(len ?: 1);
	size_t nr = 0;
	int r;

	memcpy(copy, data, len);
	r = devfilter_parse(copy, len, list, &nr);

	return r < 0 ? r : (int)nr;
}

static void test_good(void **state)
{
	struct devfilter list[DEVFILTER_MAX];
	struct file f = good_file();
	size_t nr;

	(void)state;
	assert_int_equal(devfilter_parse(&f, sizeof(f), list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_string_equal(list[0].name, "sd_devices");
	assert_string_equal(list[1].name, "");
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(list[i].nr_insns, LEN(only_null));
		assert_memory_equal(list[i].insns, only_null, sizeof(only_null));
	}
	f.nr = 1;
	assert_int_equal(parse(&f, offsetof(struct file, programs[1])), 1);
}

static void test_truncated(void **state)
{
	struct file f = good_file();
	char longer[sizeof(f) + 1] = "";

	(void)state;
	for (size_t len = 0; len < sizeof(f); len++)
		assert_int_equal(parse(&f, len), -EBADMSG);
	memcpy(longer, &f, sizeof(f));
	assert_int_equal(parse(longer, sizeof(longer)), -EBADMSG);
}

#define REFUSED(field, value) do { \
	struct file f = good_file(); \
	\
	f.field = value; \
	assert_int_equal(parse(&f, sizeof(f)), -EBADMSG); \
} while (0)

static void test_damaged(void **state)
{
	struct file f = good_file();

	(void)state;
	REFUSED(magic[7], 'x');
	REFUSED(version, 2);
	REFUSED(nr, 0);
	REFUSED(nr, 1);
	REFUSED(nr, 3);
	REFUSED(nr, UINT32_MAX);
	REFUSED(programs[0].nr_insns, 0);
	REFUSED(programs[0].nr_insns, 7);
	REFUSED(programs[1].nr_insns, 9);
	REFUSED(programs[1].nr_insns, UINT32_MAX);
	REFUSED(programs[1].zero, 1);
	REFUSED(programs[1].insns[3].code, BPF_JMP | BPF_CALL);
	memset(f.programs[0].name, 'a', sizeof(f.programs[0].name));
	assert_int_equal(parse(&f, sizeof(f)), -EBADMSG);
}

/* As many programs as there can be, and one more, each of one instruction. */
static void test_many(void **state)
{
	const struct bpf_insn exit = { .code = BPF_JMP | BPF_EXIT };
	const uint32_t nr_insns = 1;
	_Alignas(8) char data[16 + (DEVFILTER_MAX + 1) * 32] = "nvwadev\0\1";
	uint32_t *nr = (uint32_t *)(data + 12);

	(void)state;
	for (size_t i = 0; i <= DEVFILTER_MAX; i++) {
		memcpy(data + 16 + i * 32 + 16, &nr_insns, sizeof(nr_insns));
		memcpy(data + 16 + i * 32 + 24, &exit, sizeof(exit));
	}
	*nr = DEVFILTER_MAX;
	assert_int_equal(parse(data, sizeof(data) - 32), DEVFILTER_MAX);
	*nr = DEVFILTER_MAX + 1;
	assert_int_equal(parse(data, sizeof(data)), -EBADMSG);
}

static void test_carriable(void **state)
{
	const struct bpf_insn constant[] = {
		{ BPF_LD | BPF_IMM | BPF_DW, 1, 0, 0, 1 },
		{ 0, 0, 0, 0, 1 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	const struct bpf_insn map[] = {
		{ BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, 1 },
		{ 0, 0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	const struct bpf_insn call[] = {
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	_cleanup_free_ struct bpf_insn *many = calloc(DEVFILTER_INSNS_MAX + 1, sizeof(*many));

	(void)state;
	assert_true(devfilter_carriable(only_null, LEN(only_null)));
	assert_true(devfilter_carriable(constant, LEN(constant)));
	assert_true(devfilter_carriable(many, DEVFILTER_INSNS_MAX));
	assert_false(devfilter_carriable(many, DEVFILTER_INSNS_MAX + 1));
	assert_false(devfilter_carriable(only_null, 0));
	assert_false(devfilter_carriable(constant, 1));
	assert_false(devfilter_carriable(map, LEN(map)));
	assert_false(devfilter_carriable(call, LEN(call)));
}

static char *const dir = temp_dir;
static char cgroup[128];	/* of our own; "" if we may have none */

/* Whether a device can be opened in the control group: 0, or the error. */
static int open_there(const char *device)
{
	pid_t pid = fork();
	char path[160];
	int status;

	if (!pid) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
		if (file_write(path, "0", 1, 0644))
			_exit(255);
		_exit(open(device, O_RDONLY) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));

	return WEXITSTATUS(status);
}

/* A control group below one of the places where cgroup2 can be. */
static int setup(void **state)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	if (make_temp_dir(state))
		return -1;
	for (size_t i = 0; i < LEN(places); i++) {
		if (statfs(places[i], &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		snprintf(cgroup, sizeof(cgroup), "%s/nvwa-test-%d", places[i], getpid());
		if (!mkdir(cgroup, 0755))
			return 0;
	}
	cgroup[0] = '\0';

	return 0;
}

static int teardown(void **state)
{
	if (cgroup[0])
		rmdir(cgroup);
	return remove_temp_dir(state);
}

static void test_nothing(void **state)
{
	struct error err = { "" };
	size_t nr = 1;
	char path[64];
	int *fds = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(devfilter_restore("/", path, &fds, &nr, &err), 0);
	assert_null(fds);
	assert_int_equal(nr, 0);
	assert_int_equal(file_write(path, "nvwa", 4, 0600), 0);
	assert_int_equal(devfilter_restore("/", path, &fds, &nr, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "not what nvwa wrote"));
	assert_null(fds);
}

static void close_all(int *fds, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	free(fds);
}

static void test_round_trip(void **state)
{
	_cleanup_free_ char *data = NULL;
	struct file f = good_file();
	struct error err = { "" };
	char from[64], to[64];
	size_t nr, len;
	int *fds, r;

	(void)state;
	if (!cgroup[0])
		skip();
	snprintf(from, sizeof(from), "%s/from", dir);
	snprintf(to, sizeof(to), "%s/to", dir);
	/* What is there of an earlier time goes. */
	assert_int_equal(file_write(to, "", 0, 0600), 0);
	r = devfilter_save(cgroup, to, &err);
	if (r == -EPERM || r == -EACCES)
		skip();
	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_int_equal(access(to, F_OK), -1);
	/* The second has no end, so that the first goes too. */
	f.programs[1].insns[7].code = BPF_ALU64 | BPF_MOV | BPF_K;
	assert_int_equal(file_write(from, &f, sizeof(f), 0600), 0);
	r = devfilter_restore(cgroup, from, &fds, &nr, NULL);
	if (r == -EPERM || r == -ENOSYS)
		skip();
	assert_true(r < 0);
	assert_null(fds);
	assert_int_equal(devfilter_save(cgroup, to, NULL), 0);
	assert_int_equal(access(to, F_OK), -1);
	assert_int_equal(open_there("/dev/zero"), 0);

	f = good_file();
	assert_int_equal(file_write(from, &f, sizeof(f), 0600), 0);
	r = devfilter_restore(cgroup, from, &fds, &nr, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_int_equal(nr, 2);
	close_all(fds, nr);
	assert_int_equal(open_there("/dev/null"), 0);
	assert_int_equal(open_there("/dev/zero"), EPERM);
	assert_int_equal(devfilter_save(cgroup, to, NULL), 0);
	assert_int_equal(file_read(to, &data, &len), 0);
	assert_int_equal(len, sizeof(f));
	assert_memory_equal(data, &f, sizeof(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_carriable),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("devfilter", tests, setup, teardown);
}
