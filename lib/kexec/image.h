/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel image: the bzImage file and the ELF kernel inside it, ready to be put into memory. */
#ifndef NVWA_KEXEC_IMAGE_H
#define NVWA_KEXEC_IMAGE_H

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/base/error.h"
#include "lib/kexec/relocs.h"

struct image {
	struct setup_header header;	/* as in the file */
	char version[96];		/* what the image says it is: "6.12.0 (builder) ..." */
	char *kernel;			/* memory content from load_addr on */
	size_t kernel_len;		/* bytes of content */
	uint64_t load_addr;		/* physical, page aligned: where it is linked to be */
	uint64_t load_end;		/* end of what is used before the kernel knows its map */
	uint64_t entry;			/* physical */
	struct relocs relocs;
	bool kaslr;			/* at a random virtual address, and so may be anywhere */
};

/*
 * Unpack the image of a release, and check that it is that release's and as it
 * was built. *elf is malloc()ed: the kernel as ELF file, and what follows it.
 */
int image_unpack(const char *path, const char *release, char **elf, size_t *elf_len,
		 struct error *err);

/*
 * Read the image of a release. elf is what image_unpack() has made of this very
 * file; NULL: it is unpacked now.
 */
int image_read(const char *path, const char *release, const char *elf, size_t elf_len,
	       struct image *image, struct error *err);
void image_free(struct image *image);

/* Bytes from load_addr to load_end in whole units of the alignment of a kernel with relocs. */
uint64_t image_room(const struct image *image);

#endif
