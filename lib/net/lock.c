// SPDX-License-Identifier: GPL-2.0-only
/* The packet lock: TCP is silent from the snapshot of a socket to its restore. */
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/net/net.h"
#include "lib/net/nft.h"

#define WHAT		"the packet lock"
#define LOCK_TABLE	"inet nvwa-lock"
#define NOTE_TABLE	"inet nvwa-note"
/* An element of a set of nftables has no time but that which it still has to live, of this. */
#define NOTE_MS		86400000ULL
#define NOTE_TIMEOUT	"24h"

/* As if there were none before: what an update left that ended half way is not this process's. */
#define NEW_TABLE	\
	"add table " LOCK_TABLE "\n"	\
	"delete table " LOCK_TABLE "\n"	\
	"add table " LOCK_TABLE

/*
 * What CRIU marks is let through (SOCCR_MARK, soccr/soccr.h): the peer's end of a connection that
 * is half closed, which it plays to the socket that it rebuilds. That comes from this machine to
 * itself. Nobody else has such packets: a mark stays in its machine, and takes privilege to set.
 */
#define CRIU_MARK	"0xc114"
#define LOCK_CRIU	\
	"add rule " LOCK_TABLE " in iif lo meta mark " CRIU_MARK " accept\n"	\
	"add rule " LOCK_TABLE " out oif lo meta mark " CRIU_MARK " accept\n"

/*
 * What any lock has: the sender of a datagram is not told that nobody is there for it. Priority
 * -400 comes before connection tracking (NF_IP_PRI_CONNTRACK is -200, linux/netfilter_ipv4.h).
 * A rule that lets something pass belongs here, before those that drop.
 */
#define LOCK_CHAINS	\
	"add chain " LOCK_TABLE " in { type filter hook input priority -400; policy accept; }\n"   \
	"add chain " LOCK_TABLE " out { type filter hook output priority -400; policy accept; }\n" \
	LOCK_CRIU	\
	"add rule " LOCK_TABLE " out icmp type destination-unreachable drop\n"	\
	"add rule " LOCK_TABLE " out icmpv6 type destination-unreachable drop\n"

/*
 * Everything is dropped, not only the carried connections: nothing else runs
 * while the lock is on, and a new connection attempt must be answered later
 * by the restored listener, not now by a reset.
 */
#define LOCK_RULES	\
	LOCK_CHAINS	\
	"add rule " LOCK_TABLE " in meta l4proto tcp drop\n"	\
	"add rule " LOCK_TABLE " out meta l4proto tcp drop\n"

/* Of these ports alone; printf(), the list twice. */
static const char port_rules[] =
	NEW_TABLE "\n"
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

/* Of this process; who locks in the old kernel. */
static struct nft_ctx *owner;

/*
 * Connection tracking calls an end without a beginning invalid, and many a packet filter drops what
 * is. Where connections are not tracked, nothing is to be loaded for this.
 */
static int untracked(int r)
{
	struct error err = { 0 };

	if (r == 0 && access("/sys/module/nf_conntrack", F_OK) == 0)
		nft_run("insert rule " LOCK_TABLE " out oif lo meta mark " CRIU_MARK " notrack\n",
			WHAT, NULL, &err);
	return r;
}

int net_lock(struct error *err)
{
	int r;

	if (owner)
		return 0;
	owner = nft_open();
	if (!owner)
		return error_set(err, ENOMEM, "cannot start libnftables: out of memory");
	/* The kernel has that flag since 5.12, libnftables since 0.9.9. */
	r = nft_run_in(owner, NEW_TABLE " { flags owner; }\n" LOCK_RULES, WHAT, NULL, err);
	if (r < 0)
		net_unlock(NULL);
	return r;
}

int net_lock_ports(const char *ports, struct error *err)
{
	_cleanup_free_ char *rules = NULL;

	if (!*ports)
		return untracked(nft_run(NEW_TABLE "\n" LOCK_CHAINS, WHAT, NULL, err));
	if (asprintf(&rules, port_rules, ports, ports) < 0)
		return error_set(err, ENOMEM, "out of memory");

	return untracked(nft_run(rules, WHAT, NULL, err));
}

int net_lock_again(struct error *err)
{
	_cleanup_free_ char *rules = NULL;
	int r;

	r = asprintf(&rules, NEW_TABLE "\n" LOCK_RULES "%s", note_rules);
	if (r < 0)
		return error_set(err, ENOMEM, "out of memory");

	return untracked(nft_run(rules, WHAT, NULL, err));
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

	r = nft_run("list set " NOTE_TABLE " out\n", WHAT, &set, &err);
	after = clock_tsc();
	if (r < 0)
		return -ENODATA;
	nft_run("delete table " NOTE_TABLE "\n", WHAT, NULL, &err);
	for (at = set; (at = strstr(at, "expires ")); at += strlen("expires ")) {
		uint64_t age = NOTE_MS - parse_ms(at + strlen("expires "));

		if (age > oldest)
			oldest = age;
	}
	*tsc = before + (after - before) / 2 - oldest * tsc_khz;

	return oldest ? 0 : -ENODATA;
}

int net_unlock(struct error *err)
{
	/* The kernel removes what this socket owns before it is closed. */
	if (owner)
		nft_ctx_free(owner);
	owner = NULL;
	/* One that is not there cannot be deleted. */
	return nft_run("add table " LOCK_TABLE "\n" "delete table " LOCK_TABLE "\n", WHAT, NULL,
		       err);
}
