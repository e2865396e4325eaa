// SPDX-License-Identifier: GPL-2.0-only
/* Commands of nft(8), run by libnftables. */
#include "lib/net/nft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/cleanup.h"

/*
 * libnftables leaves its socket open for programs that are executed, and gives its number away to
 * nobody: no socket of this protocol is for them.
 */
static void close_on_exec(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		int fd = atoi(d->d_name), domain = 0, protocol = -1;
		socklen_t len = sizeof(int);

		if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
		    !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
		    domain == AF_NETLINK && protocol == NETLINK_NETFILTER)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
}

struct nft_ctx *nft_open(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);

	if (nft)
		close_on_exec();
	return nft;
}

int nft_run_in(struct nft_ctx *nft, const char *commands, const char *what, char **output,
	       struct error *err)
{
	int r = 0;

	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, commands)) {
		const char *said = nft_ctx_get_error_buffer(nft);

		r = error_set(err, EIO, "nftables refused %s: %.*s", what,
			      (int)strcspn(said, "\n"), said);
	} else if (output) {
		*output = strdup(nft_ctx_get_output_buffer(nft));
		if (!*output)
			r = -ENOMEM;
	}
	nft_ctx_unbuffer_output(nft);
	nft_ctx_unbuffer_error(nft);
	return r;
}

int nft_run(const char *commands, const char *what, char **output, struct error *err)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int r;

	if (!nft)
		return error_set(err, ENOMEM, "cannot start libnftables: out of memory");
	r = nft_run_in(nft, commands, what, output, err);
	nft_ctx_free(nft);
	return r;
}
