// SPDX-License-Identifier: GPL-2.0-only
/*
 * SHA-256 over pieces. Before 6.16 the library function is plain C, many times
 * slower than what the crypto API has for most processors, and all of it is
 * blackout; so the API is asked first, and the library is there where it has
 * nothing (in an early initramfs).
 */
#include "nvwa.h"

#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/slab.h>

void digest_init(struct digest *d)
{
	struct crypto_shash *tfm = crypto_alloc_shash("sha256", 0, 0);

	memset(d, 0, sizeof(*d));
	sha256_init(&d->lib);
	if (IS_ERR(tfm))
		return;
	d->desc = kmalloc(sizeof(*d->desc) + crypto_shash_descsize(tfm), GFP_KERNEL);
	if (d->desc) {
		d->desc->tfm = tfm;
		if (!crypto_shash_init(d->desc))
			return;
		kfree(d->desc);
		d->desc = NULL;
	}
	crypto_free_shash(tfm);
}

void digest_update(struct digest *d, const void *data, u64 len)
{
	/* A bound on the time without a chance to reschedule. */
	const u64 step = SZ_256K;
	u64 n;

	for (; len; len -= n, data += n) {
		n = min(len, step);
		if (!d->desc)
			sha256_update(&d->lib, data, n);
		else if (crypto_shash_update(d->desc, data, n))
			d->failed = true;
		cond_resched();
	}
}

/* False if the result is not valid. Frees what digest_init() allocated. */
bool digest_final(struct digest *d, u8 *out)
{
	bool good = !d->failed;

	if (!d->desc)
		sha256_final(&d->lib, out);
	else if (crypto_shash_final(d->desc, out))
		good = false;
	digest_free(d);
	return good;
}

void digest_free(struct digest *d)
{
	if (d->desc) {
		crypto_free_shash(d->desc->tfm);
		kfree_sensitive(d->desc);
	}
	memset(d, 0, sizeof(*d));
}
