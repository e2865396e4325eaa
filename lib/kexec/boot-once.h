/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the boot loader starts at the machine's next reset, and only then: if the next kernel
 * dies before it has proved itself, the machine comes up with the one that runs now.
 */
#ifndef NVWA_KEXEC_BOOT_ONCE_H
#define NVWA_KEXEC_BOOT_ONCE_H

#include "lib/base/error.h"

/*
 * The boot loader's entry for a release, as grub-reboot(8) takes it; *entry is malloc()ed.
 * -ENOENT and others, with the reason in words, if this machine's boot loader cannot be told.
 */
int boot_once_find(const char *sysroot, const char *release, char **entry, struct error *err);

/* What is chosen for the next reset now; NULL if nothing. malloc()ed. */
char *boot_once_chosen(void);

/* Choose an entry for the next reset; NULL takes back what was chosen. */
int boot_once_choose(const char *entry, struct error *err);

#endif
