/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a boot loader would hand to the next kernel, in one piece of memory:
 * the first instructions, struct boot_params, the command line, setup_data.
 */
#ifndef NVWA_KEXEC_BOOTPARAMS_H
#define NVWA_KEXEC_BOOTPARAMS_H

#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"
#include "lib/kexec/efi.h"
#include "lib/kexec/image.h"
#include "lib/kexec/memmap.h"

/*
 * The setup_data type under which the first instructions leave the TSC at
 * which they ran: 8 bytes, to be read by nvwa-init in
 * /sys/kernel/boot_params/setup_data/N/data. "NVWA"; the kernel's own types
 * are small numbers, and it keeps those that it does not know.
 */
#define SETUP_NVWA_ENTRY	0x4157564e

struct bootparams {
	const struct image *image;
	uint64_t kernel;	/* physical: where it will be */
	const struct memmap *next;
	const char *cmdline;
	const struct efi *efi;	/* NULL as without any */
	uint64_t rsdp;		/* ACPI's root pointer, physical; 0: the kernel looks for it */
	uint64_t ramdisk;	/* physical */
	uint64_t ramdisk_len;
};

#define BOOTPARAMS_RUNNING	"/sys/kernel/boot_params/data"

/* Those that the running kernel was started with. sysroot is "" except in tests. */
int bootparams_running(const char *sysroot, struct boot_params *params);

/* Bytes that bootparams_build() makes, a multiple of the page size. */
size_t bootparams_size(const struct bootparams *b);

/* Make them, to be put at phys, where execution begins; *data is malloc()ed. */
int bootparams_build(const char *sysroot, const struct bootparams *b, uint64_t phys, char **data,
		     struct error *err);

#endif
