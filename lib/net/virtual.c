// SPDX-License-Identifier: GPL-2.0-only
/* Bridges, bonds, VLANs and dummies over the jump. */
#include "lib/net/virtual.h"

#include <string.h>

#include "lib/base/json.h"

/* VLANs in VLANs, and then some. */
#define DEEPEST	8

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

bool virtual_returns(struct json_object *links, struct json_object *link)
{
	for (int depth = 0; link && depth < DEEPEST; depth++) {
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

/* How far a link is from one that needs no other to be made. */
static int depth_of(struct json_object *links, struct json_object *link)
{
	int depth = 0;

	while (link && !strcmp(kind_of(link), "vlan") && depth < DEEPEST) {
		link = find(links, json_word(link, "link"));
		depth++;
	}

	return depth;
}

static void put_bond(FILE *batch, struct json_object *link)
{
	static const char *const numbers[] = { "miimon", "updelay", "downdelay" };
	struct json_object *data = info_data(link);
	const char *mode = json_word(data, "mode") ?: "balance-rr";
	const char *policy = json_word(data, "xmit_hash_policy");
	const char *rate = json_word(data, "ad_lacp_rate");
	bool lacp = !strcmp(mode, "802.3ad");

	fprintf(batch, " mode %s", mode);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* Those that are 0 would ask for miimon first. */
		if (json_number(data, numbers[i]))
			fprintf(batch, " %s %lld", numbers[i],
				json_number(data, numbers[i]));
	}
	if (policy && (lacp || !strcmp(mode, "balance-xor")))
		fprintf(batch, " xmit_hash_policy %s", policy);
	if (rate && lacp)
		fprintf(batch, " lacp_rate %s", rate);
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
	if (!strcmp(kind, "vlan"))
		fprintf(batch, " protocol %s id %lld", json_word(data, "protocol") ?: "802.1Q",
			json_number(data, "id"));
	else if (!strcmp(kind, "bond"))
		put_bond(batch, link);
	else if (!strcmp(kind, "bridge"))
		fputs(" forward_delay 0", batch);
	fputc('\n', batch);
}

void virtual_make(FILE *batch, struct json_object *links)
{
	for (int depth = 0; depth < DEEPEST; depth++) {
		for (size_t i = 0; i < json_object_array_length(links); i++) {
			struct json_object *link = json_object_array_get_idx(links, i);

			if (json_word(link, "ifname") && *kind_of(link) &&
			    virtual_returns(links, link) && depth_of(links, link) == depth)
				put_link(batch, link);
		}
	}
	for (size_t i = 0; i < json_object_array_length(links); i++) {
		struct json_object *link = json_object_array_get_idx(links, i);
		struct json_object *master = find(links, json_word(link, "master"));

		/* A bond takes in only what is down. */
		if (master && virtual_returns(links, master) && virtual_returns(links, link))
			fprintf(batch, "link set dev %s down\nlink set dev %s master %s\n",
				json_word(link, "ifname"), json_word(link, "ifname"),
				json_word(master, "ifname"));
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
