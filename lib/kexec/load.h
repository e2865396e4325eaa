/* SPDX-License-Identifier: GPL-2.0-only */
/* Placing what the next kernel needs in the scratch, and kexec_load(2). */
#ifndef NVWA_KEXEC_LOAD_H
#define NVWA_KEXEC_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"
#include "lib/kexec/efi.h"
#include "lib/kexec/image.h"
#include "lib/kexec/memmap.h"
#include "uapi/nvwa.h"

/* The kernel, the boot parameters, the initramfs. */
#define LOAD_SEGMENTS	3

struct load {
	const char *sysroot;
	const struct image *image;
	const struct scratch_plan *plan;
	const char *cmdline;
	const struct efi *efi;	/* NULL as without any */
	uint64_t rsdp;		/* 0: none is known */
	const char *initramfs;
	size_t initramfs_len;
};

/* Place and load; segments says where everything will be. */
int load(const struct load *l, struct nvwa_range segments[LOAD_SEGMENTS], struct error *err);

/* Where they would be put, without loading. */
int load_place(const struct load *l, struct nvwa_range segments[LOAD_SEGMENTS], struct error *err);

int load_nothing(void);

#endif
