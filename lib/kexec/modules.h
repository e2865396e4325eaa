/* SPDX-License-Identifier: GPL-2.0-only */
/* The modules of the target release that the hop initramfs holds, in the order of insertion. */
#ifndef NVWA_KEXEC_MODULES_H
#define NVWA_KEXEC_MODULES_H

#include <stddef.h>
#include "lib/base/error.h"
#include "lib/kexec/root.h"

struct module {
	char *name;
	char *path;		/* as installed, perhaps packed */
	char *options;		/* may be "" */
};

struct modules {
	struct module *items;
	size_t nr;
	char **firmware;	/* files that the drivers of the root may ask for, full paths */
	size_t nr_firmware;
};

/*
 * The keeper (nvwa.ko), and what this machine's root file system and network
 * links need, with all that those depend on. A missing one is refused.
 */
int modules_find(const char *release, const struct root *root, struct modules *modules,
		 struct error *err);
void modules_free(struct modules *modules);

#endif
