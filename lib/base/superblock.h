/* SPDX-License-Identifier: GPL-2.0-only */
/* Which file system a block device holds: what tells the root apart in both kernels. */
#ifndef NVWA_BASE_SUPERBLOCK_H
#define NVWA_BASE_SUPERBLOCK_H

#include <stdint.h>

struct superblock {
	const char *type;	/* "ext4", "xfs" or "btrfs" */
	char uuid[37];		/* text form, lower case */
	uint64_t nr_devices;	/* that make up the file system; more than 1 with btrfs only */
};

/* Read it from an open block device: -ENODATA if it holds none of the known file systems. */
int superblock_read(int fd, struct superblock *sb);

#endif
