// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sums that a kernel image carries of itself. The hash is that of
 * Microsoft's "Windows Authenticode Portable Executable Signature Format"; the
 * fields are those of the "PE Format" of the same house. Whose signature it is,
 * is no question here: the machine's owner has installed it.
 */
#include "lib/kexec/checksum.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/cleanup.h"

#define PE_OFFSET_AT	0x3c	/* of the MZ header: where the PE header is */
#define PE_OPTIONAL	24	/* the optional header, from there */
#define PE32_PLUS	0x20b	/* its magic, in images of 64-bit machines */
#define OPT_CHECKSUM	64	/* offsets in it: a sum that signing changes, */
#define OPT_NR_DIRS	108	/* how many data directories there are, */
#define OPT_CERTIFICATES 144	/* and the one that says where the signatures are */
#define DIR_CERTIFICATES 4	/* its number */
#define DIR_LEN		8

_Static_assert(CHECKSUM_LEN == SHA256_DIGEST_SIZE, "the same sum");

/* Fields of the PE header in which a signed image differs from the one that was built. */
struct pe {
	size_t checksum, directory;	/* offsets in the file; 0: no PE header */
	size_t certificates, certificates_len;
};

void checksum_sha256(const void *data, size_t len, uint8_t sum[CHECKSUM_LEN])
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, len, data);
	sha256_digest(&sha, CHECKSUM_LEN, sum);
}

static uint32_t get32(const char *data)
{
	uint32_t n;

	memcpy(&n, data, sizeof(n));
	return n;
}

static struct pe find_pe(const char *data, size_t len)
{
	struct pe pe = { 0 };
	size_t at, optional;
	uint16_t magic;

	if (len < PE_OFFSET_AT + 4)
		return pe;
	at = get32(data + PE_OFFSET_AT);
	optional = at + PE_OPTIONAL;
	if (len < optional + OPT_CERTIFICATES + DIR_LEN || memcmp(data + at, "PE\0", 4))
		return pe;
	memcpy(&magic, data + optional, sizeof(magic));
	if (magic != PE32_PLUS || get32(data + optional + OPT_NR_DIRS) <= DIR_CERTIFICATES)
		return pe;
	pe.checksum = optional + OPT_CHECKSUM;
	pe.directory = optional + OPT_CERTIFICATES;
	pe.certificates = get32(data + pe.directory);
	pe.certificates_len = get32(data + pe.directory + 4);
	return pe;
}

/* Over all but what signing changes; the signatures come last and name the sum. */
static int check_signed(const char *data, size_t len, const struct pe *pe)
{
	const size_t checksum_end = pe->checksum + 4, directory_end = pe->directory + DIR_LEN;
	uint8_t sum[CHECKSUM_LEN];
	struct sha256_ctx sha;

	if (pe->certificates < directory_end || pe->certificates > len ||
	    pe->certificates_len > len - pe->certificates)
		return -EBADMSG;
	sha256_init(&sha);
	sha256_update(&sha, pe->checksum, (const void *)data);
	sha256_update(&sha, pe->directory - checksum_end, (const void *)(data + checksum_end));
	sha256_update(&sha, pe->certificates - directory_end,
		      (const void *)(data + directory_end));
	sha256_digest(&sha, sizeof(sum), sum);
	return memmem(data + pe->certificates, pe->certificates_len, sum, sizeof(sum)) ?
	       0 : -EBADMSG;
}

/* Of zeros where signing has written since; not inverted at the end as zlib's is. */
static uint32_t crc_as_built(const char *data, size_t len, const struct pe *pe)
{
	const Bytef *bytes = (const void *)data, zeros[DIR_LEN] = { 0 };
	size_t at = 0;
	uLong crc = 0;

	if (pe->directory && pe->directory + DIR_LEN <= len) {
		crc = crc32_z(crc, bytes, pe->checksum);
		crc = crc32_z(crc, zeros, 4);
		at = pe->checksum + 4;
		crc = crc32_z(crc, bytes + at, pe->directory - at);
		crc = crc32_z(crc, zeros, DIR_LEN);
		at = pe->directory + DIR_LEN;
	}
	return ~(uint32_t)crc32_z(crc, bytes + at, len - at);
}

int checksum_image(const void *data, size_t len, size_t limit)
{
	const char *bytes = data;
	struct pe pe = find_pe(data, len);
	uint32_t crc;

	if (pe.certificates_len)
		return check_signed(data, len, &pe);
	/* Since "x86/boot: Drop CRC-32 checksum" of 6.16, zeros are left in its place. */
	crc = limit >= 4 && limit <= len ? get32(bytes + limit - 4) : 0;
	return !crc || crc == crc_as_built(data, limit - 4, &pe) ? 0 : -EBADMSG;
}
