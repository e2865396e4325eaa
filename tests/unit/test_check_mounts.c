// SPDX-License-Identifier: GPL-2.0-only
/* File systems that stand against an update, told from the mounts and disks of another machine. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/apps/check-mounts.h"
#include "lib/base/file.h"
#include "tests/unit/temp-dir.h"

static char said[4096];

static void note(void *ctx, const char *text)
{
	size_t len = strlen(said);

	(void)ctx;
	snprintf(said + len, sizeof(said) - len, "%s\n", text);
}

/* What is said of one mount: "0:50 /mnt OPTIONS - TYPE SOURCE DATA". */
static const char *of(const char *line)
{
	struct mounts_seen seen = { 0 };
	struct mountinfos mounts;
	char dev[16], rest[256], text[512];

	said[0] = '\0';
	assert_int_equal(sscanf(line, "%15s %255[^\n]", dev, rest), 2);
	snprintf(text, sizeof(text), "30 29 %s / %s\n", dev, rest);
	assert_int_equal(mountinfo_parse(text, &mounts), 0);
	assert_int_equal(mounts_check(temp_dir, &mounts, &seen, note, NULL), 0);
	mountinfo_free(&mounts);
	free(seen.list);
	return said;
}

static void put(const char *path, const char *text)
{
	char full[PATH_MAX];

	assert_int_equal(path_format(full, sizeof(full), "%s/sys/%s", temp_dir, path), 0);
	assert_int_equal(text ? file_write(full, text, strlen(text), 0644) : dir_make(full), 0);
}

/* A link in /sys, both below it. */
static void leads(const char *link, const char *to)
{
	char from[PATH_MAX], full[PATH_MAX], dir[PATH_MAX];

	assert_int_equal(path_format(from, sizeof(from), "%s/sys/%s", temp_dir, link), 0);
	assert_int_equal(path_format(full, sizeof(full), "%s/sys/%s", temp_dir, to), 0);
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(from, '/') - from), from);
	assert_int_equal(dir_make(dir), 0);
	assert_int_equal(symlink(full, from), 0);
}

static void disk(const char *dev, const char *path)
{
	char link[64];

	put(path, NULL);
	snprintf(link, sizeof(link), "dev/block/%s", dev);
	leads(link, path);
}

static void test_local(void **state)
{
	(void)state;
	disk("254:1", "devices/pci0000:00/virtio0/block/vda/vda1");
	put("devices/pci0000:00/virtio0/block/vda/vda1/partition", "1\n");
	disk("8:0", "devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sda");
	assert_string_equal(of("254:1 / rw shared:1 - ext4 /dev/vda1 rw"), "");
	assert_string_equal(of("8:0 /srv rw - xfs /dev/sda rw"), "");
	assert_string_equal(of("0:30 /run rw - tmpfs tmpfs rw,size=1k"), "");
	/* There is no such disk in /sys. */
	assert_string_equal(of("9:9 /odd rw - ext4 /dev/odd rw"), "");
	assert_string_equal(of("0:44 /sys/fs/fuse/connections rw - fusectl fusectl rw"), "");
	assert_string_equal(of("0:45 /proc/fs/nfsd rw - nfsd nfsd rw"), "");
	assert_string_equal(of("0:46 /empty rw - tmpfs  rw"), "");
}

static void test_served(void **state)
{
	static const char *const types[] = {
		"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "fuse", "fuseblk",
		"fuse.sshfs", "fuse.glusterfs",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "0:50 /mnt/a\\040b rw - %s /x rw,vers=4", types[i]);
		assert_non_null(strstr(of(line), "on /mnt/a b ("));
		assert_non_null(strstr(said, types[i]));
		assert_non_null(strstr(said, "Unmount it"));
		/* Read-only for this mount, but others may write. */
		snprintf(line, sizeof(line), "0:50 /mnt ro - %s x rw", types[i]);
		assert_string_not_equal(of(line), "");
		snprintf(line, sizeof(line), "0:50 /mnt rw - %s x ro,vers=4", types[i]);
		assert_string_equal(of(line), "");
	}
	assert_string_equal(of("0:50 /mnt rw - 9p share rw,trans=virtio,cache=none"), "");
	assert_string_not_equal(of("0:50 /mnt rw - 9p share rw,trans=tcp"), "");
}

static void test_disks(void **state)
{
	(void)state;
	disk("8:16", "devices/platform/host2/session1/target2:0:0/2:0:0:0/block/sdb");
	assert_non_null(strstr(of("8:16 /mnt rw - ext4 /dev/sdb rw"), "iSCSI"));
	assert_string_equal(of("8:16 /mnt ro - ext4 /dev/sdb ro"), "");
	disk("8:17", "devices/platform/host2/session1/target2:0:0/2:0:0:0/block/sdb/sdb1");
	put("devices/platform/host2/session1/target2:0:0/2:0:0:0/block/sdb/sdb1/partition", "1\n");
	assert_non_null(strstr(of("8:17 /mnt rw - ext4 /dev/sdb1 rw"), "iSCSI"));
	disk("43:0", "devices/virtual/block/nbd0");
	assert_non_null(strstr(of("43:0 /mnt rw - ext4 /dev/nbd0 rw"), "NBD"));
	disk("252:0", "devices/virtual/block/rbd0");
	assert_non_null(strstr(of("252:0 /mnt rw - xfs /dev/rbd0 rw"), "Ceph"));
	disk("147:1", "devices/virtual/block/drbd1");
	assert_non_null(strstr(of("147:1 /mnt rw - xfs /dev/drbd1 rw"), "DRBD"));
	/* A partition of one. */
	disk("43:1", "devices/virtual/block/nbd0/nbd0p1");
	put("devices/virtual/block/nbd0/nbd0p1/partition", "1\n");
	assert_non_null(strstr(of("43:1 /mnt rw - ext4 /dev/nbd0p1 rw"), "NBD"));
}

static void test_layers(void **state)
{
	(void)state;
	/* A volume on a RAID of a partition of an iSCSI disk and a local one. */
	disk("253:0", "devices/virtual/block/dm-0");
	disk("9:0", "devices/virtual/block/md0");
	leads("devices/virtual/block/dm-0/slaves/md0", "devices/virtual/block/md0");
	leads("devices/virtual/block/md0/slaves/vda1",
	      "devices/pci0000:00/virtio0/block/vda/vda1");
	assert_string_equal(of("253:0 /mnt rw - ext4 /dev/mapper/x rw"), "");
	leads("devices/virtual/block/md0/slaves/sdb1",
	      "devices/platform/host2/session1/target2:0:0/2:0:0:0/block/sdb/sdb1");
	assert_non_null(strstr(of("253:0 /mnt rw - ext4 /dev/mapper/x rw"), "iSCSI"));
	/* One that lies on itself has an end. */
	disk("253:1", "devices/virtual/block/dm-1");
	leads("devices/virtual/block/dm-1/slaves/dm-1", "devices/virtual/block/dm-1");
	assert_string_equal(of("253:1 /mnt rw - ext4 /dev/mapper/y rw"), "");
}

static void test_nvme(void **state)
{
	(void)state;
	disk("259:0", "devices/pci0000:00/nvme/nvme0/nvme0n1");
	assert_string_equal(of("259:0 /mnt rw - ext4 /dev/nvme0n1 rw"), "");
	disk("259:1", "devices/virtual/nvme-fabrics/ctl/nvme1/nvme1n1");
	assert_non_null(strstr(of("259:1 /mnt rw - ext4 /dev/nvme1n1 rw"), "fabrics"));
	disk("259:2", "devices/virtual/nvme-subsystem/nvme-subsys2/nvme2n1");
	put("devices/virtual/nvme-subsystem/nvme-subsys2/nvme2/transport", "pcie\n");
	assert_string_equal(of("259:2 /mnt rw - ext4 /dev/nvme2n1 rw"), "");
	put("devices/virtual/nvme-subsystem/nvme-subsys2/nvme3/transport", "tcp\n");
	assert_non_null(strstr(of("259:2 /mnt rw - ext4 /dev/nvme2n1 rw"), "fabrics"));
}

static void test_once(void **state)
{
	static const char text[] =
		"30 29 0:50 / /mnt rw - nfs4 s:/ rw\n"
		"31 29 0:50 /a /srv rw - nfs4 s:/ rw\n"
		"32 29 0:51 / /opt rw - nfs4 s:/ rw\n";
	struct mounts_seen seen = { 0 };
	struct mountinfos mounts;

	(void)state;
	said[0] = '\0';
	assert_int_equal(mountinfo_parse(text, &mounts), 0);
	assert_int_equal(mounts_check(temp_dir, &mounts, &seen, note, NULL), 0);
	assert_non_null(strstr(said, "/mnt"));
	assert_null(strstr(said, "/srv"));
	assert_non_null(strstr(said, "/opt"));
	/* Another namespace has it as well. */
	said[0] = '\0';
	assert_int_equal(mounts_check(temp_dir, &mounts, &seen, note, NULL), 0);
	assert_string_equal(said, "");
	mountinfo_free(&mounts);
	free(seen.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_served),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_nvme),
		cmocka_unit_test(test_once),
	};

	return cmocka_run_group_tests(tests, make_temp_dir, remove_temp_dir);
}
