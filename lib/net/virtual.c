// SPDX-License-Identifier: GPL-2.0-only
/* Bridges, bonds, VLANs and dummies over the jump. */
#include "lib/net/virtual.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/json.h"

static struct json_object *info_data(struct json_object *link)
{
	return json_get(json_get(link, "linkinfo"), "info_data");
}

/* "" for a link that the kernel finds. */
static const char *kind_of(struct json_object *link)
{
	return json_word(json_get(link, "linkinfo"), "info_kind") ?: "";
}

static struct json_object *find(struct json_object *links, const char *name)
{
	for (size_t i = 0; name && i < json_object_array_length(links); i++) {
		struct json_object *link = json_object_array_get_idx(links, i);
		const char *own = json_word(link, "ifname");

		if (own && !strcmp(own, name))
			return link;
	}

	return NULL;
}

/* With them a port forwards only after half a minute, or only what it was told to. */
static bool is_plain_bridge(struct json_object *link)
{
	return !json_number(info_data(link), "stp_state") &&
	       !json_number(info_data(link), "vlan_filtering");
}

/* Its sockets and routes are in a table of the VRF's, which does not return. */
static bool is_in_vrf(struct json_object *links, struct json_object *link)
{
	struct json_object *master = find(links, json_word(link, "master"));

	return master && !strcmp(kind_of(master), "vrf");
}

bool virtual_returns(struct json_object *links, struct json_object *link)
{
	if (is_in_vrf(links, link))
		return false;
	for (int depth = 0; link && depth < VIRTUAL_DEEPEST; depth++) {
		const char *kind = kind_of(link);

		if (!*kind || !strcmp(kind, "dummy") || !strcmp(kind, "bond"))
			return true;
		if (!strcmp(kind, "bridge"))
			return is_plain_bridge(link);
		if (strcmp(kind, "vlan"))
			return false;
		link = find(links, json_word(link, "link"));
	}

	return false;
}

int virtual_depth(struct json_object *links, struct json_object *link)
{
	int depth = 0;

	while (link && !strcmp(kind_of(link), "vlan") && depth < VIRTUAL_DEEPEST) {
		link = find(links, json_word(link, "link"));
		depth++;
	}

	return depth;
}

/* An option of a link: as ip(8) prints it in JSON, as it takes it, and what it is unless told. */
struct link_option {
	const char *key, *word, *usual;
};

#define NR(options)	(sizeof(options) / sizeof((options)[0]))

/* Those that a mode does not have are as usual there. */
static const struct link_option of_bonds[] = {
	{ "miimon", "miimon", "0" }, { "updelay", "updelay", "0" },
	{ "downdelay", "downdelay", "0" }, { "peer_notify_delay", "peer_notify_delay", "0" },
	{ "use_carrier", "use_carrier", "1" }, { "arp_interval", "arp_interval", "0" },
	{ "arp_ip_target", "arp_ip_target", "" }, { "ns_ip6_target", "ns_ip6_target", "" },
	{ "arp_validate", "arp_validate", "none" },
	{ "arp_all_targets", "arp_all_targets", "any" },
	{ "arp_missed_max", "arp_missed_max", "2" },
	{ "primary_reselect", "primary_reselect", "always" },
	{ "fail_over_mac", "fail_over_mac", "none" },
	{ "xmit_hash_policy", "xmit_hash_policy", "layer2" },
	{ "resend_igmp", "resend_igmp", "1" }, { "num_peer_notif", "num_grat_arp", "1" },
	{ "all_slaves_active", "all_slaves_active", "0" }, { "min_links", "min_links", "0" },
	{ "lp_interval", "lp_interval", "1" },
	{ "packets_per_slave", "packets_per_slave", "1" },
	{ "ad_lacp_active", "lacp_active", "on" }, { "ad_lacp_rate", "lacp_rate", "slow" },
	{ "ad_select", "ad_select", "stable" }, { "tlb_dynamic_lb", "tlb_dynamic_lb", "1" },
};

static const struct link_option of_bridges[] = {
	{ "ageing_time", "ageing_time", "30000" }, { "group_fwd_mask", "group_fwd_mask", "0" },
	{ "priority", "priority", "32768" }, { "mcast_snooping", "mcast_snooping", "1" },
	{ "mcast_querier", "mcast_querier", "0" }, { "nf_call_iptables", "nf_call_iptables", "0" },
	{ "nf_call_ip6tables", "nf_call_ip6tables", "0" },
	{ "nf_call_arptables", "nf_call_arptables", "0" },
};

static const struct link_option of_bond_ports[] = {
	{ "queue_id", "queue_id", "0" }, { "prio", "prio", "0" },
};

static const struct link_option of_bridge_ports[] = {
	{ "hairpin", "hairpin", "off" }, { "guard", "guard", "off" },
	{ "root_block", "root_block", "off" }, { "fastleave", "fastleave", "off" },
	{ "learning", "learning", "on" }, { "flood", "flood", "on" },
	{ "proxy_arp", "proxy_arp", "off" }, { "proxy_arp_wifi", "proxy_arp_wifi", "off" },
	{ "mcast_flood", "mcast_flood", "on" }, { "bcast_flood", "bcast_flood", "on" },
	{ "mcast_to_unicast", "mcast_to_unicast", "off" },
	{ "neigh_suppress", "neigh_suppress", "off" }, { "isolated", "isolated", "off" },
	{ "locked", "locked", "off" },
};

/* Its text; a list has commas. */
static void put_value(FILE *out, struct json_object *value)
{
	if (json_object_is_type(value, json_type_boolean)) {
		fputs(json_object_get_boolean(value) ? "on" : "off", out);
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			fprintf(out, "%s%s", i ? "," : "", json_object_get_string(
				json_object_array_get_idx(value, i)));
	} else if (value) {
		fputs(json_object_get_string(value), out);
	}
}

/* Those that are not as usual, after a text that is written if there are any; are there? */
static bool put_options(FILE *batch, struct json_object *data, const char *before,
			const struct link_option *options, size_t nr)
{
	bool any = false;

	for (size_t i = 0; i < nr; i++) {
		_cleanup_free_ char *value = NULL;
		size_t len;
		FILE *out = open_memstream(&value, &len);

		if (!out)
			break;
		put_value(out, json_get(data, options[i].key));
		if (fclose(out) || !*value || !strcmp(value, options[i].usual))
			continue;
		fprintf(batch, "%s %s %s", any ? "" : before, options[i].word, value);
		any = true;
	}

	return any;
}

/* A mapping of priorities. */
static void put_qos(FILE *batch, struct json_object *map, const char *word)
{
	if (json_length(map))
		fprintf(batch, " %s", word);
	for (size_t i = 0; i < json_length(map); i++) {
		struct json_object *one = json_object_array_get_idx(map, i);

		fprintf(batch, " %lld:%lld", json_number(one, "from"), json_number(one, "to"));
	}
}

static void put_vlan(FILE *batch, struct json_object *data)
{
	static const struct {
		const char *flag, *word;
		bool usual;
	} flags[] = {
		{ "REORDER_HDR", "reorder_hdr", true }, { "GVRP", "gvrp", false },
		{ "MVRP", "mvrp", false }, { "LOOSE_BINDING", "loose_binding", false },
		{ "BRIDGE_BINDING", "bridge_binding", false },
	};
	struct json_object *list = json_get(data, "flags");

	fprintf(batch, " protocol %s id %lld", json_word(data, "protocol") ?: "802.1Q",
		json_number(data, "id"));
	for (size_t i = 0; list && i < NR(flags); i++) {
		bool is_set = false;

		for (size_t j = 0; j < json_length(list); j++)
			is_set |= !strcmp(json_object_get_string(
					  json_object_array_get_idx(list, j)), flags[i].flag);
		if (is_set != flags[i].usual)
			fprintf(batch, " %s %s", flags[i].word, is_set ? "on" : "off");
	}
	put_qos(batch, json_get(data, "ingress_qos"), "ingress-qos-map");
	put_qos(batch, json_get(data, "egress_qos"), "egress-qos-map");
}

static void put_link(FILE *batch, struct json_object *link)
{
	const char *kind = kind_of(link), *address = json_word(link, "address");
	struct json_object *data = info_data(link);

	fputs("link add", batch);
	if (!strcmp(kind, "vlan"))
		fprintf(batch, " link %s", json_word(link, "link"));
	fprintf(batch, " name %s", json_word(link, "ifname"));
	if (address)
		fprintf(batch, " address %s", address);
	fprintf(batch, " type %s", kind);
	if (!strcmp(kind, "vlan")) {
		put_vlan(batch, data);
	} else if (!strcmp(kind, "bond")) {
		fprintf(batch, " mode %s", json_word(data, "mode") ?: "balance-rr");
		put_options(batch, data, "", of_bonds, NR(of_bonds));
	} else if (!strcmp(kind, "bridge")) {
		fputs(" forward_delay 0", batch);
		put_options(batch, data, "", of_bridges, NR(of_bridges));
	}
	fputc('\n', batch);
}

/* A link becomes a port of another one. */
static void put_port(FILE *batch, struct json_object *link, struct json_object *master)
{
	struct json_object *data = json_get(json_get(link, "linkinfo"), "info_slave_data");
	const char *name = json_word(link, "ifname"), *kind = kind_of(master);
	const bool is_bond = !strcmp(kind, "bond");
	char before[64];

	/* A bond takes in only what is down. */
	fprintf(batch, "link set dev %s down\nlink set dev %s master %s\n", name, name,
		json_word(master, "ifname"));
	/* These may be refused without the rest of it. */
	snprintf(before, sizeof(before), "link set dev %s type %s_slave", name, kind);
	if (put_options(batch, data, before, is_bond ? of_bond_ports : of_bridge_ports,
			is_bond ? NR(of_bond_ports) : NR(of_bridge_ports)))
		fputc('\n', batch);
	if (!strcmp(json_text(info_data(master), "primary"), name))
		fprintf(batch, "link set dev %s type bond primary %s\n",
			json_word(master, "ifname"), name);
}

void virtual_make(FILE *batch, struct json_object *links)
{
	for (int depth = 0; depth < VIRTUAL_DEEPEST; depth++) {
		for (size_t i = 0; i < json_object_array_length(links); i++) {
			struct json_object *link = json_object_array_get_idx(links, i);

			if (json_word(link, "ifname") && *kind_of(link) &&
			    virtual_returns(links, link) && virtual_depth(links, link) == depth)
				put_link(batch, link);
		}
	}
	for (size_t i = 0; i < json_object_array_length(links); i++) {
		struct json_object *link = json_object_array_get_idx(links, i);
		struct json_object *master = find(links, json_word(link, "master"));

		if (master && virtual_returns(links, master) && virtual_returns(links, link))
			put_port(batch, link, master);
	}
}

void virtual_settle(FILE *batch, struct json_object *links)
{
	for (size_t i = 0; i < json_object_array_length(links); i++) {
		struct json_object *link = json_object_array_get_idx(links, i);

		if (!strcmp(kind_of(link), "bridge") && virtual_returns(links, link))
			fprintf(batch, "link set dev %s type bridge forward_delay %lld\n",
				json_word(link, "ifname"),
				json_number(info_data(link), "forward_delay"));
	}
}
