// SPDX-License-Identifier: GPL-2.0-only
/* The guard: in place of the machine's packet filter until that has loaded its rules. */
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/net/net.h"
#include "lib/net/nft.h"

#define WHAT		"the packet guard"
#define GUARD		"nvwa-guard"
#define GUARD_TABLE	"inet " GUARD
/* What all tables of nvwa are called. */
#define OURS		"nvwa-"

/*
 * Programs of this machine may talk to each other. Neighbours find it (ARP is not concerned), and
 * switches learn which multicast addresses it listens to, as it does not say so often. Nothing
 * that a kernel does with these depends on rules; a router's advertisement can wait.
 */
static const char guard_rules[] =
	"add table " GUARD_TABLE "\n"
	"delete table " GUARD_TABLE "\n"
	"add table " GUARD_TABLE "\n"
	"add chain " GUARD_TABLE " in { type filter hook input priority -400; policy drop; }\n"
	"add chain " GUARD_TABLE " out { type filter hook output priority -400; policy drop; }\n"
	"add chain " GUARD_TABLE " forward "
	"{ type filter hook forward priority -400; policy drop; }\n"
	"add rule " GUARD_TABLE " in iifname \"lo\" accept\n"
	"add rule " GUARD_TABLE " out oifname \"lo\" accept\n"
	"add rule " GUARD_TABLE " in icmpv6 type "
	"{ nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept\n"
	"add rule " GUARD_TABLE " out icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, "
	"mld-listener-report, mld-listener-done, mld2-listener-report } accept\n"
	"add rule " GUARD_TABLE " in meta l4proto igmp accept\n"
	"add rule " GUARD_TABLE " out meta l4proto igmp accept\n";

int net_guard(struct error *err)
{
	return nft_run(guard_rules, WHAT, NULL, err);
}

int net_unguard(struct error *err)
{
	return nft_run("add table " GUARD_TABLE "\n" "delete table " GUARD_TABLE "\n", WHAT, NULL,
		       err);
}

/* The older kind of iptables: a table is named here when somebody has looked into it. */
static bool has_legacy(void)
{
	static const char *const lists[] = {
		"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names",
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		_cleanup_free_ char *names = NULL;

		if (file_read(lists[i], &names, NULL) == 0 && *names)
			return true;
	}

	return false;
}

/* Does an object of the list keep any packet from anywhere, or may it? */
static bool is_rule(struct json_object *object)
{
	struct json_object *rule = json_get(object, "rule"), *chain = json_get(object, "chain");
	const char *table = json_text(rule ?: chain, "table");

	if (!strncmp(table, OURS, strlen(OURS)))
		return false;
	return rule || !strcmp(json_text(chain, "policy"), "drop");
}

int net_has_rules(struct error *err)
{
	_cleanup_json_ struct json_object *root = NULL;
	_cleanup_free_ char *text = NULL;
	struct json_object *list;
	struct nft_ctx *nft;
	int r;

	if (has_legacy())
		return 1;
	nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft)
		return error_set(err, ENOMEM, "cannot start libnftables: out of memory");
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
	r = nft_run_in(nft, "list ruleset\n", "to list its rules", &text, err);
	nft_ctx_free(nft);
	if (r < 0)
		return r;
	root = json_tokener_parse(text);
	list = json_get(root, "nftables");
	if (!json_object_is_type(list, json_type_array))
		return error_set(err, EBADMSG, "nftables printed no JSON list of its rules");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (is_rule(json_object_array_get_idx(list, i)))
			return 1;
	}

	return 0;
}
