// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's decompressor (arch/x86/boot/compressed/kaslr.c) chooses its
 * virtual address and tells it by KASLR_FLAG, upon which the kernel chooses
 * for itself where its map of all memory and the like begin. As nvwa does the
 * decompressor's work before the freeze, it does this as well.
 */
#include "lib/kexec/kaslr.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/param.h"

/* KERNEL_IMAGE_SIZE of a kernel with CONFIG_RANDOMIZE_BASE: virtual addresses there are. */
#define IMAGE_SIZE	(1ULL << 30)

/*
 * A kernel that chooses keeps addresses for its own map's end and so much for
 * memory added later (CONFIG_RANDOMIZE_MEMORY_PHYSICAL_PADDING, in TiB; this is
 * its default). To it the machine is the scratch, which ends below 64 GiB.
 */
#define HOTPLUG_END	(10ULL << 40)

bool kaslr_is_wanted(const char *cmdline, uint64_t ram_end)
{
	const char *token;
	size_t len;

	/* The decompressor looks for the word in all of the line, whatever "--" says. */
	while ((token = param_next(&cmdline, &len))) {
		if (param_is(token, len, "nokaslr"))
			return false;
	}

	return ram_end <= HOTPLUG_END;
}

int kaslr_random(uint64_t nr, uint64_t *value)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	/* nr is that much smaller than 2^64 that none is likelier than another. */
	*value = random % nr;
	return 0;
}

int kaslr_move(struct image *image, struct error *err)
{
	uint64_t align = image->header.kernel_alignment, nth;
	uint64_t end = image->load_addr + image_room(image);
	int r;

	if (!image->relocs.offsets)
		return 0;
	if (end > IMAGE_SIZE)
		return error_set(err, ENOEXEC, "The kernel needs %llu MiB, which is more than it "
				 "can have.", (unsigned long long)end >> 20);
	r = kaslr_random(1 + (IMAGE_SIZE - end) / align, &nth);
	if (r < 0)
		return error_set(err, -r, "the kernel gave no random numbers");
	relocs_apply(&image->relocs, image->kernel, nth * align);
	image->kaslr = true;
	/* They are about where it was linked. */
	relocs_free(&image->relocs);
	return 0;
}
