/* SPDX-License-Identifier: GPL-2.0-only */
/* Unpacking what kernel packages compress: the kernel's payload and modules. */
#ifndef NVWA_KEXEC_DECOMPRESS_H
#define NVWA_KEXEC_DECOMPRESS_H

#include <stddef.h>
#include "lib/base/error.h"

/*
 * Unpack data by its magic (gzip, xz, zstd, lz4, bzip2, lzma, lzo); what has
 * none of these magics is copied. Bytes after the end of the packed stream are
 * ignored. *out is malloc()ed. Errors: -EBADMSG, damaged or truncated; -EFBIG,
 * larger than limit.
 */
int decompress(const void *data, size_t len, size_t limit, char **out, size_t *out_len,
	       struct error *err);

#endif
