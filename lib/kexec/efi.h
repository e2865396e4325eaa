/* SPDX-License-Identifier: GPL-2.0-only */
/* What a kernel that UEFI has booted tells the next one, so that its runtime services go on. */
#ifndef NVWA_KEXEC_EFI_H
#define NVWA_KEXEC_EFI_H

#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"

/* efi_memory_desc_t of the kernel's include/linux/efi.h. */
struct efi_desc {
	uint32_t type;
	uint32_t pad;
	uint64_t phys_addr;
	uint64_t virt_addr;	/* fixed: the firmware is told it once a power-on */
	uint64_t num_pages;
	uint64_t attribute;
};

/* Payload of SETUP_EFI, struct efi_setup_data of arch/x86/include/asm/efi.h. */
struct efi_setup {
	uint64_t fw_vendor;
	uint64_t unused;
	uint64_t tables;
	uint64_t smbios;
	uint64_t reserved[8];
};

struct efi {
	uint64_t rsdp;		/* physical, 0 if not known */
	struct efi_setup setup;
	struct efi_desc *map;	/* of the runtime services; NULL: there are none */
	size_t nr;
};

/* Read it; all zero on a machine that was booted by a BIOS. sysroot is "" except in tests. */
int efi_read(const char *sysroot, struct efi *efi, struct error *err);
void efi_free(struct efi *efi);

#endif
