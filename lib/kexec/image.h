/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel image: the bzImage file and the ELF kernel inside it, ready to be put into memory. */
#ifndef NVWA_KEXEC_IMAGE_H
#define NVWA_KEXEC_IMAGE_H

#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"

struct image {
	struct setup_header header;	/* as in the file */
	char version[96];		/* what the image says it is: "6.12.0 (builder) ..." */
	char *kernel;			/* memory content from load_addr on */
	size_t kernel_len;		/* bytes of content */
	uint64_t load_addr;		/* physical, page aligned */
	uint64_t load_end;		/* end of what is used before the kernel knows its map */
	uint64_t entry;			/* physical */
};

/* Read and unpack the image of a release, and check that it is that release's. */
int image_read(const char *path, const char *release, struct image *image, struct error *err);
void image_free(struct image *image);

#endif
