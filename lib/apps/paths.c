// SPDX-License-Identifier: GPL-2.0-only
/* Where the files are that lib/apps uses. */
#include "lib/apps/paths.h"

#include <stddef.h>
#include "uapi/nvwa.h"

#ifndef NVWA_LIBEXECDIR
#define NVWA_LIBEXECDIR	"/usr/lib/nvwa"
#endif

static struct app_paths paths = {
	.criu = "criu",
	.preload = NVWA_LIBEXECDIR "/criu/libnvwa-criu.so",
	.plugins = NVWA_LIBEXECDIR "/criu",
	.placeholder = NVWA_LIBEXECDIR "/nvwa-placeholder",
	/* KDAT_RUNDIR and KERNDAT_CACHE_NAME of CRIU */
	.kdat = "/run/criu.kdat",
	.kdat_store = "/var/lib/nvwa/criu",
	.generated = "/run/systemd/generator.early",
};

const struct app_paths *app_paths(void)
{
	return &paths;
}

void app_paths_set_criu(const char *command)
{
	paths.criu = command ? command : "criu";
}
