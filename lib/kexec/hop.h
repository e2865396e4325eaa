/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hop initramfs: what the next kernel starts from. Its files:
 *   /init            nvwa-init
 *   /nvwa/handover   where the record is (uapi/record.h)
 *   /nvwa/modules    modules in the order of insertion, "<file in /nvwa/ko> <options>"
 *   /nvwa/root       the root file system (root_format())
 *   /nvwa/hidden     RAM that is added by hotplug (memmap_format())
 *   /nvwa/ram        the machine's whole memory map (memmap_format())
 *   /nvwa/thp        the kernel's own choice about transparent huge pages
 *   /lib/firmware    what the drivers of the root may ask for
 */
#ifndef NVWA_KEXEC_HOP_H
#define NVWA_KEXEC_HOP_H

#include <stddef.h>
#include "lib/base/error.h"
#include "lib/kexec/modules.h"
#include "lib/kexec/target.h"

/* Build it, in memory, uncompressed; *data is malloc()ed. */
int hop_build(const struct root *root, const struct modules *modules, const char *thp,
	      const struct target_load *how, char **data, size_t *len, struct error *err);

#endif
