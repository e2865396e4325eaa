// SPDX-License-Identifier: GPL-2.0-only
/* The packet lock: TCP is silent from the snapshot of a socket to its restore. */
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/net/net.h"

#define LOCK_TABLE	"inet nvwa-lock"
#define NOTE_TABLE	"inet nvwa-note"
/* An element of a set of nftables has no time but that which it still has to live, of this. */
#define NOTE_MS		86400000ULL
#define NOTE_TIMEOUT	"24h"

/*
 * What any lock has: the sender of a datagram is not told that nobody is there for it. Priority
 * -400 comes before connection tracking (NF_IP_PRI_CONNTRACK is -200, linux/netfilter_ipv4.h).
 */
#define LOCK_CHAINS	\
	"add table " LOCK_TABLE "\n"	\
	"flush table " LOCK_TABLE "\n"	\
	"add chain " LOCK_TABLE " in { type filter hook input priority -400; policy accept; }\n"   \
	"add chain " LOCK_TABLE " out { type filter hook output priority -400; policy accept; }\n" \
	"add rule " LOCK_TABLE " out icmp type destination-unreachable drop\n"	\
	"add rule " LOCK_TABLE " out icmpv6 type destination-unreachable drop\n"

/*
 * Everything is dropped, not only the carried connections: nothing else runs
 * while the lock is on, and a new connection attempt must be answered later
 * by the restored listener, not now by a reset.
 */
static const char lock_rules[] =
	LOCK_CHAINS
	"add rule " LOCK_TABLE " in meta l4proto tcp drop\n"
	"add rule " LOCK_TABLE " out meta l4proto tcp drop\n";

/* Of these ports alone; printf(), the list twice. */
static const char port_rules[] =
	LOCK_CHAINS
	"add rule " LOCK_TABLE " in tcp dport { %s } drop\n"
	"add rule " LOCK_TABLE " out tcp sport { %s } drop\n";

/* After the lock's priority: what it drops does not leave. */
static const char note_rules[] =
	"add table " NOTE_TABLE "\n"
	"flush table " NOTE_TABLE "\n"
	"add set " NOTE_TABLE " out { type inet_proto; flags dynamic,timeout; "
	"timeout " NOTE_TIMEOUT "; }\n"
	"add chain " NOTE_TABLE " out { type filter hook output priority -399; policy accept; }\n"
	"add rule " NOTE_TABLE " out oifname != \"lo\" meta l4proto { tcp, udp } "
	"add @out { meta l4proto }\n";

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

int net_lock_ports(const char *ports, struct error *err)
{
	_cleanup_free_ char *rules = NULL;

	if (!*ports)
		return nft_run(LOCK_CHAINS, NULL, err);
	if (asprintf(&rules, port_rules, ports, ports) < 0)
		return error_set(err, ENOMEM, "out of memory");

	return nft_run(rules, NULL, err);
}

int net_lock_again(struct error *err)
{
	_cleanup_free_ char *rules = NULL;
	int r;

	r = asprintf(&rules, "%s%s", lock_rules, note_rules);
	if (r < 0)
		return error_set(err, ENOMEM, "out of memory");

	return nft_run(rules, NULL, err);
}

/* As nft prints it: 1d2h3m4s56ms, without the units that are 0. */
static uint64_t parse_ms(const char *text)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
	};
	uint64_t sum = 0;

	while (*text >= '0' && *text <= '9') {
		char *end;
		uint64_t n = strtoull(text, &end, 10), unit = 0;

		for (size_t i = 0; !unit && i < sizeof(units) / sizeof(units[0]); i++) {
			if (strncmp(end, units[i].name, strlen(units[i].name)) == 0) {
				unit = units[i].ms;
				end += strlen(units[i].name);
			}
		}
		if (!unit)
			break;
		sum += n * unit;
		text = end;
	}

	return sum;
}

int net_first_packet(uint32_t tsc_khz, uint64_t *tsc)
{
	uint64_t before = clock_tsc(), after, oldest = 0;
	_cleanup_free_ char *set = NULL;
	struct error err = { 0 };
	const char *at;
	int r;

	r = nft_run("list set " NOTE_TABLE " out\n", &set, &err);
	after = clock_tsc();
	if (r < 0)
		return -ENODATA;
	nft_run("delete table " NOTE_TABLE "\n", NULL, &err);
	for (at = set; (at = strstr(at, "expires ")); at += strlen("expires ")) {
		uint64_t age = NOTE_MS - parse_ms(at + strlen("expires "));

		if (age > oldest)
			oldest = age;
	}
	*tsc = before + (after - before) / 2 - oldest * tsc_khz;

	return oldest ? 0 : -ENODATA;
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
