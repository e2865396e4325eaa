// SPDX-License-Identifier: GPL-2.0-only
/* Devices as the old kernel left them. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "init/init.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"

/* Whether a function that has no driver yet may write to memory. */
static bool is_master(const char *dir, const char *name)
{
	uint8_t config[PCI_CLASS_DEVICE + 2];
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	uint16_t command;

	if (path_format(path, sizeof(path), "%s/%s/driver", dir, name) || !access(path, F_OK) ||
	    path_format(path, sizeof(path), "%s/%s/config", dir, name))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, config, sizeof(config), 0) != sizeof(config))
		return false;
	/* Configuration space is little endian, as we are. */
	memcpy(&command, config + PCI_COMMAND, sizeof(command));
	return command & PCI_COMMAND_MASTER &&
	       !NVWA_PCI_NO_DMA((uint32_t)config[PCI_CLASS_DEVICE + 1] << 16);
}

unsigned int devices_check(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	unsigned int nr = 0, masters = 0;
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		nr++;
		if (!is_master(path, d->d_name))
			continue;
		masters++;
		log_warning("%s was left with bus mastering on: the old kernel may have given it "
			    "memory to write to", d->d_name);
	}
	log_info("%u of %u PCI functions were left with bus mastering on", masters, nr);
	return masters;
}
