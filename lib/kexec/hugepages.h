/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transparent huge pages over an update. While programs are restored, their
 * memory must stay empty until their pages come, so there are none; a kernel
 * that finds less than 512 MiB switches them off by itself (hugepage_init() in
 * mm/huge_memory.c), with all their settings.
 */
#ifndef NVWA_KEXEC_HUGEPAGES_H
#define NVWA_KEXEC_HUGEPAGES_H

/* Where nvwa-init leaves the kernel's own choice: "always", "madvise" or "never". */
#define HUGEPAGES_CHOICE	"thp"

/*
 * Both return 0 also where there is nothing to do, and a negative errno
 * otherwise. The file holds what the kernel's configuration chooses.
 */

/* Switch them off, and note in the file what a boot with all RAM would have chosen. */
int hugepages_withhold(const char *choice_path);
/* Give the kernel back its settings, with the choice of the file. */
int hugepages_allow(const char *choice_path);

#endif
