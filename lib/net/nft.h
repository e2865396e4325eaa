/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands of nft(8), run by libnftables. */
#ifndef NVWA_NET_NFT_H
#define NVWA_NET_NFT_H

#include "lib/base/error.h"

struct nft_ctx;

/*
 * Run commands, each with its line's end; all of them take effect, or none. *output (may be
 * NULL) gets what they print, malloc()ed. what names the thing that fails, for err.
 */
int nft_run(const char *commands, const char *what, char **output, struct error *err);

/* The same with a context of the caller's: its socket is what owns a table of "flags owner". */
int nft_run_in(struct nft_ctx *nft, const char *commands, const char *what, char **output,
	       struct error *err);

/* Such a context, which no program that is executed inherits. Free with nft_ctx_free(). */
struct nft_ctx *nft_open(void);

#endif
