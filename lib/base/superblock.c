// SPDX-License-Identifier: GPL-2.0-only
/* The few fields of ext4, xfs and btrfs superblocks that tell a file system apart. */
#include "lib/base/superblock.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Where the magic, the UUID and the number of devices lie. ext4: the kernel's
 * Documentation/filesystems/ext4/super.rst; xfs: struct xfs_dsb in
 * fs/xfs/libxfs/xfs_format.h; btrfs: struct btrfs_super_block in
 * include/uapi/linux/btrfs_tree.h.
 */
static const struct {
	const char *type;
	unsigned int start;	/* of the superblock on the device */
	unsigned int magic_at, magic_len;
	const char *magic;
	unsigned int uuid_at;
	unsigned int devices_at;	/* 0: always one */
} layouts[] = {
	{ "ext4",  0x400,   0x38, 2, "\x53\xef",  0x68, 0 },
	{ "xfs",   0,       0,    4, "XFSB",      32,   0 },
	{ "btrfs", 0x10000, 0x40, 8, "_BHRfS_M",  0x20, 0x88 },
};

#define SUPERBLOCK_LEN	512

static void format_uuid(const unsigned char *u, char *text)
{
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		text += sprintf(text, "%02x", u[i]);
	}
}

int superblock_read(int fd, struct superblock *sb)
{
	unsigned char data[SUPERBLOCK_LEN];

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		ssize_t n = pread(fd, data, sizeof(data), layouts[i].start);

		if (n < 0)
			return -errno;
		if (n < (ssize_t)sizeof(data) ||
		    memcmp(data + layouts[i].magic_at, layouts[i].magic, layouts[i].magic_len))
			continue;

		sb->type = layouts[i].type;
		sb->nr_devices = 1;
		if (layouts[i].devices_at)
			/* Little endian, as this machine. */
			memcpy(&sb->nr_devices, data + layouts[i].devices_at, 8);
		format_uuid(data + layouts[i].uuid_at, sb->uuid);
		return 0;
	}

	return -ENODATA;
}
