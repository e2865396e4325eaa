// SPDX-License-Identifier: GPL-2.0-only
/* Where the files are that lib/apps uses. */
#include "lib/apps/paths.h"

#include <stddef.h>

#ifndef NVWA_LIBEXECDIR
#define NVWA_LIBEXECDIR	"/usr/lib/nvwa"
#endif
#ifndef NVWA_UNITDIR
#define NVWA_UNITDIR	"/usr/lib/systemd/system"
#endif
#ifndef NVWA_SBINDIR
#define NVWA_SBINDIR	"/usr/sbin"
#endif

static struct app_paths paths = {
	.criu = "criu",
	.preload = NVWA_LIBEXECDIR "/libnvwa-criu.so",
	.plugins = NVWA_LIBEXECDIR,
	.placeholder = NVWA_LIBEXECDIR "/nvwa-placeholder",
	.nvwa = NVWA_SBINDIR "/nvwa",
	/* KDAT_RUNDIR and KERNDAT_CACHE_NAME of CRIU */
	.kdat = "/run/criu.kdat",
	.kdat_store = "/var/lib/nvwa/criu",
	.units = NVWA_UNITDIR,
	.tmpfiles = "/run/tmpfiles.d",
};

const struct app_paths *app_paths(void)
{
	return &paths;
}

void app_paths_set_criu(const char *command)
{
	paths.criu = command ? command : "criu";
}
