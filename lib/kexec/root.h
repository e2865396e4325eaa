/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine's root file system: which device holds it, and how it is mounted. */
#ifndef NVWA_KEXEC_ROOT_H
#define NVWA_KEXEC_ROOT_H

#include <limits.h>
#include "lib/base/error.h"

struct root {
	char type[16];		/* "ext4", "xfs" or "btrfs" */
	char name[64];		/* of the block device: "vda1" */
	char uuid[37];
	char flags[128];	/* of the mount: "rw,relatime" */
	char data[512];		/* options of the file system, may be "" */
	char sysfs[PATH_MAX];	/* the device's directory in /sys/devices */
};

/* Find it; a root that nvwa-init could not mount is refused, with the reason in err. */
int root_find(struct root *root, struct error *err);

/* What nvwa-init reads as /nvwa/root; malloc()ed. */
int root_format(const struct root *root, char **text);

#endif
