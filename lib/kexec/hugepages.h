/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transparent huge pages after a boot in little RAM. A kernel that finds less
 * than 512 MiB switches them off (hugepage_init() in mm/huge_memory.c). That is
 * good while programs are restored, whose memory must stay empty until their
 * pages come; and wrong from then on.
 */
#ifndef NVWA_KEXEC_HUGEPAGES_H
#define NVWA_KEXEC_HUGEPAGES_H

/* Where nvwa-init leaves the kernel's own choice: "always", "madvise" or "never". */
#define HUGEPAGES_CHOICE	"thp"

/*
 * Give the kernel back the settings that it dropped, with the choice of its
 * command line, or else that in the file. 0 also where there is nothing to do;
 * a negative errno otherwise.
 */
int hugepages_allow(const char *choice_path);

#endif
