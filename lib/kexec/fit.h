/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does what is handed over fit into the scratch? The next kernel has nothing else when it reads
 * the record and adds the carried memory. What is foretold here errs on the side of refusing;
 * the module's seal proves it (uapi/fit.h), with what there is by then.
 */
#ifndef NVWA_KEXEC_FIT_H
#define NVWA_KEXEC_FIT_H

#include <stddef.h>
#include <stdint.h>

/* What is to be handed over, as far as it is known. */
struct fit_load {
	const uint64_t *used;	/* carried pages by memory block */
	size_t nr_used;
	uint64_t block_size;	/* bytes */
	uint64_t elsewhere;	/* pages that will lie nobody knows where */
	uint64_t runs;		/* struct nvwa_run, how many */
	uint64_t files;		/* bytes of the record's files */
};

/* Bytes that the next kernel has free before it reads the record; ram is all of the machine's. */
uint64_t fit_room(uint64_t ram, uint64_t scratch, unsigned int cpus);

/* For the seal: bytes that files and programs take when the carried memory is there. */
uint64_t fit_later(uint64_t files);

/* Bytes of room that are needed. */
uint64_t fit_needed(const struct fit_load *load);

/* Bytes of files that fit in so much room with all the rest, whatever load->files is. */
uint64_t fit_files_most(const struct fit_load *load, uint64_t room);

/*
 * How large the scratch is to be: min_bytes, and what pages and runs take besides. Files do
 * not make it larger: what is copied while programs stand still is for the owner to say.
 */
uint64_t fit_scratch(const struct fit_load *load, uint64_t min_bytes);

/* The least scratch for all of it, in whole 64 MiB. */
uint64_t fit_scratch_for(const struct fit_load *load, uint64_t ram, unsigned int cpus);

#endif
