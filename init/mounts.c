// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's file systems, and the change to the new root. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/base/file.h"

/*
 * As systemd mounts them (it leaves alone what is mounted already). /run is
 * not limited until the record is unpacked, see orders_mounts().
 */
static const struct {
	const char *type, *dir, *options;
	unsigned long flags;
} mounts[] = {
	{ "proc",     "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs",    "/sys",  NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev",  "mode=0755", MS_NOSUID | MS_STRICTATIME },
	{ "tmpfs",    "/run",  "mode=0755,size=90%,nr_inodes=800k",
	  MS_NOSUID | MS_NODEV | MS_STRICTATIME },
};

#define NR_MOUNTS	(sizeof(mounts) / sizeof(mounts[0]))

int mounts_make(void)
{
	for (size_t i = 0; i < NR_MOUNTS; i++) {
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, mounts[i].flags,
			  mounts[i].options) && errno != EBUSY)
			return -errno;
	}

	return 0;
}

int mounts_switch(struct error *err)
{
	char to[64];

	for (size_t i = 0; i < NR_MOUNTS; i++) {
		path_format(to, sizeof(to), NEW_ROOT "%s", mounts[i].dir);
		if (mount(mounts[i].dir, to, NULL, MS_MOVE, NULL))
			return error_set(err, errno, "%s cannot be moved to the root file system: "
					 "%s", mounts[i].dir, strerror(errno));
	}

	/* The initramfs is memory: give it back. */
	tree_remove("/nvwa");
	unlink("/init");

	if (chdir(NEW_ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		return error_set(err, errno, "the root file system cannot become the root: %s",
				 strerror(errno));
	return 0;
}
