// SPDX-License-Identifier: GPL-2.0-only
/* The packet lock: TCP is silent from the snapshot of a socket to its restore. */
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/net/net.h"

#define LOCK_TABLE	"inet nvwa-lock"

/*
 * Everything is dropped, not only the carried connections: nothing else runs
 * while the lock is on, and a new connection attempt must be answered later
 * by the restored listener, not now by a reset. Priority -400 comes before
 * connection tracking (NF_IP_PRI_CONNTRACK is -200, linux/netfilter_ipv4.h).
 */
static const char lock_rules[] =
	"add table " LOCK_TABLE "\n"
	"flush table " LOCK_TABLE "\n"
	"add chain " LOCK_TABLE " in { type filter hook input priority -400; policy accept; }\n"
	"add chain " LOCK_TABLE " out { type filter hook output priority -400; policy accept; }\n"
	"add rule " LOCK_TABLE " in meta l4proto tcp drop\n"
	"add rule " LOCK_TABLE " out meta l4proto tcp drop\n";

/* Run nft commands; *output (may be NULL) gets what they print, malloc()ed. */
static int nft_run(const char *commands, char **output, struct error *err)
{
	struct nft_ctx *nft;
	int r = 0;

	nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft)
		return error_set(err, ENOMEM, "cannot start libnftables: out of memory");
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, commands)) {
		const char *said = nft_ctx_get_error_buffer(nft);

		r = error_set(err, EIO, "nftables refused the packet lock: %.*s",
			      (int)strcspn(said, "\n"), said);
	} else if (output) {
		*output = strdup(nft_ctx_get_output_buffer(nft));
		if (!*output)
			r = -ENOMEM;
	}
	nft_ctx_free(nft);
	return r;
}

int net_lock(struct error *err)
{
	return nft_run(lock_rules, NULL, err);
}

/* A table that a checkpoint left: ours, or CRIU's ("CRIU-<pid>", soccr/criu netfilter lock). */
static bool is_lock_table(const char *line)
{
	return strcmp(line, "table " LOCK_TABLE) == 0 ||
	       strncmp(line, "table inet CRIU-", strlen("table inet CRIU-")) == 0;
}

int net_unlock(struct error *err)
{
	_cleanup_free_ char *tables = NULL;
	char *line, *rest;
	int r;

	r = nft_run("list tables\n", &tables, err);
	if (r < 0)
		return r;
	rest = tables;
	while ((line = strsep(&rest, "\n"))) {
		char command[256];

		if (!is_lock_table(line))
			continue;
		if (snprintf(command, sizeof(command), "delete %s\n", line) >= (int)sizeof(command))
			continue;
		r = nft_run(command, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}
