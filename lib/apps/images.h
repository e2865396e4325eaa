/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few things nvwa reads and edits in CRIU's images. An image is two magic
 * numbers and then protobuf messages, each after its length (32 bits).
 */
#ifndef NVWA_APPS_IMAGES_H
#define NVWA_APPS_IMAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "uapi/nvwa.h"

/*
 * From the content of a pagemap image: the memory that CRIU has written itself,
 * as ranges, merged and sorted; *ranges is malloc()ed.
 * Errors: -EBADMSG, not a pagemap image or a broken one.
 */
int images_written(const uint8_t *data, size_t len, struct nvwa_range **ranges,
		   size_t *nr_ranges);

/*
 * In the content of an mm image, in place: no area is locked in memory any
 * more (MAP_LOCKED). Those that were are returned as above.
 */
int images_unlock(uint8_t *data, size_t len, struct nvwa_range **ranges, size_t *nr_ranges);

/* From the content of an mm image: where the vdso of the old kernel is. -ENOENT: there is none. */
int images_vdso(const uint8_t *data, size_t len, struct nvwa_range *vdso);

/* Where a thread keeps its restartable sequence area; len 0 if it has none. */
struct images_rseq {
	uint64_t addr;
	uint32_t len;
};

/* From the content of a core image. */
int images_core_rseq(const uint8_t *data, size_t len, struct images_rseq *rseq);

/*
 * In the content of a core image, in place: a thread that CRIU has stopped in poll(2) calls it
 * again. CRIU has it return EINTR, as it cannot say how much of the timeout is left; but without
 * a signal poll(2) never does that, and programs take it for an error. 1 if it was so,
 * 0 if not, -EBADMSG.
 */
int images_repeat_poll(uint8_t *data, size_t len);

/* Overwrite an image that is there. */
int images_replace(int dirfd, const char *name, const void *data, size_t len);

/* What CRIU gives an area of memory, by the number of the field in its images/vma.proto. */
enum images_vma_field {
	VMA_PROT = 5,		/* bits of mmap(2) */
	VMA_MADVICE = 9,	/* a bit for each advice of madvise(2) */
};

/*
 * From the content of a mm image one that has more bits in a field of all areas
 * that meet the ranges; *image is malloc()ed. -EBADMSG: no mm image, or a broken one.
 */
int images_with_bits(const uint8_t *data, size_t len, const struct nvwa_range *ranges, size_t nr,
		     enum images_vma_field field, uint64_t bits, uint8_t **image,
		     size_t *image_len);

/* The same in the directory of images, of a process. */
int images_set_bits(int dirfd, pid_t pid, const struct nvwa_range *ranges, size_t nr,
		    enum images_vma_field field, uint64_t bits);

/*
 * In the directory of images: of all System V IPC keep these segments of shared
 * memory only; semaphores and messages belong to nobody in particular.
 */
int images_keep_segments(int dirfd, const uint32_t *ids, size_t nr);

/*
 * In the directory of images: what CLOCK_MONOTONIC and CLOCK_BOOTTIME show the
 * restored program at first.
 */
int images_set_clocks(int dirfd, uint64_t monotonic_ns, uint64_t boottime_ns);

#endif
