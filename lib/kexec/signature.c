// SPDX-License-Identifier: GPL-2.0-only
/*
 * The signature at the end of a kernel module: the PKCS#7 message, a struct
 * module_signature, the marker (include/linux/module_signature.h of Linux).
 */
#include "lib/kexec/signature.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

static const char marker[] = "~Module signature appended~\n";
#define MARKER_LEN	(sizeof(marker) - 1)

struct module_signature {
	uint8_t algo, hash, id_type, signer_len, key_id_len;
	uint8_t pad[3];
	uint32_t sig_len;	/* big endian */
};

size_t signature_start(const char *module, size_t len)
{
	struct module_signature s;
	size_t rest = len;

	if (rest < MARKER_LEN + sizeof(s) || memcmp(module + len - MARKER_LEN, marker, MARKER_LEN))
		return len;
	rest -= MARKER_LEN + sizeof(s);
	memcpy(&s, module + rest, sizeof(s));

	/* One that cannot be is left to the kernel to refuse. */
	return be32toh(s.sig_len) > rest ? len : rest - be32toh(s.sig_len);
}
