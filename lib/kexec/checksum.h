/* SPDX-License-Identifier: GPL-2.0-only */
/* The sums that a kernel image carries of itself, so that a damaged one is not booted. */
#ifndef NVWA_KEXEC_CHECKSUM_H
#define NVWA_KEXEC_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_LEN	32	/* bytes of a SHA-256 */

void checksum_sha256(const void *data, size_t len, uint8_t sum[CHECKSUM_LEN]);

/*
 * Compare a bzImage with the sums in it; limit is where the header says that
 * the kernel ends. Signed images hold a hash of themselves; kernels before 6.16
 * end in a CRC-32. -EBADMSG: it is not what was built. 0 also where there is
 * no sum at all.
 */
int checksum_image(const void *data, size_t len, size_t limit);

#endif
