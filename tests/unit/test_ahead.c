// SPDX-License-Identifier: GPL-2.0-only
/* What must be mounted for programs to go ahead of systemd, and what nvwa-init mounts. */
#include <mntent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"
#include "tool/ahead.h"
#include "tool/orders.h"

#define KERNELS	"sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0\n" \
		"proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n" \
		"udev /dev devtmpfs rw,nosuid,relatime,size=1000180k,mode=755 0 0\n" \
		"tmpfs /run tmpfs rw,nosuid,nodev,noexec,relatime,mode=755 0 0\n" \
		"/dev/vda / ext4 rw,noatime 0 0\n"

static char *const dir = temp_dir;

static void write_table(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
}

/* The directories, with blanks between them; or why not, behind a "!". */
static char *mounts(const char *table, const char *fstab)
{
	_cleanup_free_ char *lines = NULL;
	struct error err = { "" };
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&lines, &len);
	int r;

	write_table("proc/1/mounts", table);
	write_table("etc/fstab", fstab);
	r = ahead_mounts(dir, f, &err);
	fclose(f);
	assert_true(asprintf(&out, "%s%s", r < 0 ? "!" : "", r < 0 ? err.text : lines) >= 0);
	return out;
}

static void mounts_are(const char *table, const char *fstab, const char *wanted)
{
	_cleanup_free_ char *got = mounts(table, fstab);

	assert_string_equal(got, wanted);
}

static void test_mounts(void **state)
{
	(void)state;
	mounts_are(KERNELS, "", "");
	mounts_are(KERNELS "tmpfs /tmp tmpfs rw,size=1k 0 0\n"
		   "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"
		   "fusectl /sys/fs/fuse/connections fusectl rw,relatime 0 0\n"
		   "tmpfs /run/user/0 tmpfs rw,mode=700 0 0\n", "",
		   "mount /tmp\nmount /sys/fs/cgroup\n");
	/* More lines in fstab than one: the two tables are read at the same time. */
	mounts_are(KERNELS "/dev/vdb /srv ext4 rw 0 0\n/dev/vdc1 /with\\040blank xfs rw 0 0\n",
		   "# static file system information\n/dev/vda / ext4 rw 0 1\n"
		   "UUID=12 /with\\040blank xfs rw 0 2\n/dev/vdb /srv ext4 rw 0 2\n",
		   "mount /srv\nmount /with blank\n");
	mounts_are(KERNELS "/dev/vda15 /boot/efi vfat rw 0 0\n",
		   "/dev/vda / ext4 rw 0 1\nUUID=12-34 /boot/efi vfat umask=0077 0 1\n",
		   "mount /boot/efi\n");
}

static void test_left_to_systemd(void **state)
{
	(void)state;
	mounts_are(KERNELS "/dev/loop0 /snap/core squashfs ro 0 0\n", "/dev/vda / ext4 rw 0 1\n",
		   "!/snap/core (squashfs) is mounted by systemd");
	mounts_are(KERNELS "systemd-1 /boot autofs rw,fd=40 0 0\n", "/dev/vdb /boot ext4 rw 0 2\n",
		   "!/boot (autofs) is mounted by systemd");
	mounts_are(KERNELS "server:/home /home nfs4 rw 0 0\n", "server:/home /home nfs4 rw 0 0\n",
		   "!/home (nfs4) is mounted by systemd");
	mounts_are(KERNELS "//server/data /data cifs rw 0 0\n", "//server/data /data cifs rw 0 0\n",
		   "!/data (cifs) is mounted by systemd");
	mounts_are(KERNELS "/dev/sda1 /net ext4 rw 0 0\n", "/dev/sda1 /net ext4 _netdev 0 0\n",
		   "!/net (ext4) is mounted by systemd");
	mounts_are("proc /proc proc rw,relatime,hidepid=invisible 0 0\n",
		   "proc /proc proc hidepid=2 0 0\n", "!/proc gets its options from systemd");
	mounts_are(KERNELS "tmpfs /var/cache/x tmpfs rw 0 0\n", "",
		   "!/var/cache/x (tmpfs) is mounted by systemd");
}

static bool ordered(const char *type, const char *where, const char *options)
{
	char opts[128];
	struct mntent m = { .mnt_type = (char *)type, .mnt_dir = (char *)where, .mnt_opts = opts };

	snprintf(opts, sizeof(opts), "%s", options);
	return orders_mount(&m);
}

static void test_orders(void **state)
{
	(void)state;
	assert_true(ordered("tmpfs", "/dev/shm", "rw,nosuid,nodev,inode64"));
	assert_true(ordered("tmpfs", "/tmp", "rw,nosuid,nodev,size=1009464k,nr_inodes=1048576"));
	assert_true(ordered("hugetlbfs", "/dev/hugepages", "rw,nosuid,nodev,relatime,pagesize=2M"));
	/* What is mounted in another way than systemd and the kernel do is nobody else's. */
	assert_false(ordered("hugetlbfs", "/dev/hugepages", "rw,relatime,pagesize=1024M"));
	assert_false(ordered("debugfs", "/sys/kernel/debug", "rw,relatime,gid=5"));
	assert_false(ordered("tmpfs", "/tmp", "ro,nosuid"));
	assert_false(ordered("ext4", "/tmp", "rw"));
	assert_false(ordered("tmpfs", "/var/tmp", "rw"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_left_to_systemd),
		cmocka_unit_test(test_orders),
	};

	return cmocka_run_group_tests_name("ahead", tests, make_temp_dir, remove_temp_dir);
}
