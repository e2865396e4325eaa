// SPDX-License-Identifier: GPL-2.0-only
/* Links that drive no device: which are made again, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/json.h"
#include "lib/net/virtual.h"

/* As ip(8) of iproute2 6.15 prints them, less what is not looked at; {} is a link that is down. */
static const char stack[] =
	"[{},"
	"{\"ifname\":\"lo\",\"link_type\":\"loopback\"},"
	"{\"ifname\":\"inner\",\"link\":\"outer\",\"address\":\"52:54:00:00:00:01\",\"linkinfo\":"
	"{\"info_kind\":\"vlan\",\"info_data\":{\"protocol\":\"802.1Q\",\"id\":6}}},"
	"{\"ifname\":\"outer\",\"link\":\"br0\",\"address\":\"52:54:00:00:00:01\",\"linkinfo\":"
	"{\"info_kind\":\"vlan\",\"info_data\":{\"protocol\":\"802.1ad\",\"id\":5}}},"
	"{\"ifname\":\"eth0\",\"master\":\"bond0\",\"linkinfo\":{\"info_slave_kind\":\"bond\"}},"
	"{\"ifname\":\"bond0\",\"master\":\"br0\",\"address\":\"52:54:00:00:00:01\",\"linkinfo\":"
	"{\"info_kind\":\"bond\",\"info_data\":{\"mode\":\"802.3ad\",\"miimon\":100,\"updelay\":0,"
	"\"xmit_hash_policy\":\"layer3+4\",\"ad_lacp_rate\":\"fast\"},"
	"\"info_slave_kind\":\"bridge\"}},"
	"{\"ifname\":\"br0\",\"address\":\"52:54:00:00:00:01\",\"linkinfo\":"
	"{\"info_kind\":\"bridge\","
	"\"info_data\":{\"forward_delay\":1500,\"stp_state\":0,\"vlan_filtering\":0}}},"
	"{\"ifname\":\"wg0\",\"linkinfo\":{\"info_kind\":\"wireguard\"}},"
	"{\"ifname\":\"tunnel.7\",\"link\":\"wg0\",\"linkinfo\":{\"info_kind\":\"vlan\"}},"
	"{\"ifname\":\"tap0\",\"master\":\"br0\",\"linkinfo\":{\"info_kind\":\"tun\","
	"\"info_slave_kind\":\"bridge\"}},"
	"{\"ifname\":\"virbr0\",\"linkinfo\":{\"info_kind\":\"bridge\","
	"\"info_data\":{\"stp_state\":1}}}]";

static char *written(void (*put)(FILE *, struct json_object *), const char *text)
{
	_cleanup_json_ struct json_object *links = json_tokener_parse(text);
	char *lines = NULL;
	size_t len;
	FILE *out = open_memstream(&lines, &len);

	assert_non_null(links);
	put(out, links);
	fclose(out);
	return lines;
}

static void test_made(void **state)
{
	_cleanup_free_ char *make = written(virtual_make, stack);
	_cleanup_free_ char *settle = written(virtual_settle, stack);

	(void)state;
	assert_string_equal(make,
		"link add name bond0 address 52:54:00:00:00:01 type bond mode 802.3ad miimon 100 "
		"xmit_hash_policy layer3+4 lacp_rate fast\n"
		"link add name br0 address 52:54:00:00:00:01 type bridge forward_delay 0\n"
		"link add link br0 name outer address 52:54:00:00:00:01 type vlan "
		"protocol 802.1ad id 5\n"
		"link add link outer name inner address 52:54:00:00:00:01 type vlan "
		"protocol 802.1Q id 6\n"
		"link set dev eth0 down\nlink set dev eth0 master bond0\n"
		"link set dev bond0 down\nlink set dev bond0 master br0\n");
	assert_string_equal(settle, "link set dev br0 type bridge forward_delay 1500\n");
}

/* A bond that watches its ports by ARP, a VLAN made before it, a bridge with ports apart, a VRF. */
static const char options[] =
	"[{\"ifname\":\"eno1\",\"mtu\":9000,\"master\":\"bond0\",\"linkinfo\":{"
	"\"info_slave_kind\":\"bond\",\"info_slave_data\":{\"queue_id\":0,\"prio\":10}}},"
	"{\"ifname\":\"bond0.100\",\"link\":\"bond0\",\"mtu\":9000,\"master\":\"br100\","
	"\"linkinfo\":{\"info_kind\":\"vlan\",\"info_data\":{\"protocol\":\"802.1Q\",\"id\":100,"
	"\"flags\":[\"REORDER_HDR\",\"LOOSE_BINDING\"],"
	"\"egress_qos\":[{\"from\":0,\"to\":3},{\"from\":6,\"to\":6}]},"
	"\"info_slave_kind\":\"bridge\",\"info_slave_data\":{\"hairpin\":true,"
	"\"isolated\":true,\"learning\":false,\"flood\":true}}},"
	"{\"ifname\":\"plain\",\"link\":\"bond0\",\"linkinfo\":{\"info_kind\":\"vlan\","
	"\"info_data\":{\"protocol\":\"802.1Q\",\"id\":7,\"flags\":[\"GVRP\"]}}},"
	"{\"ifname\":\"bond0\",\"mtu\":9000,\"linkinfo\":{\"info_kind\":\"bond\",\"info_data\":{"
	"\"mode\":\"active-backup\",\"active_slave\":\"eno1\",\"miimon\":0,\"updelay\":0,"
	"\"use_carrier\":1,\"arp_interval\":500,"
	"\"arp_ip_target\":[\"192.0.2.1\",\"198.51.100.11\"],\"ns_ip6_target\":null,"
	"\"arp_validate\":\"active\",\"arp_all_targets\":\"any\",\"primary\":\"eno1\","
	"\"primary_reselect\":\"failure\",\"fail_over_mac\":\"active\","
	"\"xmit_hash_policy\":\"layer2\",\"resend_igmp\":1,\"num_peer_notif\":3,"
	"\"ad_lacp_active\":\"on\",\"ad_lacp_rate\":\"slow\"}}},"
	"{\"ifname\":\"br100\",\"linkinfo\":{\"info_kind\":\"bridge\",\"info_data\":{"
	"\"forward_delay\":1500,\"ageing_time\":0,\"stp_state\":0,\"priority\":32768,"
	"\"vlan_filtering\":0,\"group_fwd_mask\":\"0x4000\",\"mcast_snooping\":0,"
	"\"mcast_querier\":1,\"nf_call_iptables\":0}}},"
	"{\"ifname\":\"vrf-mgmt\",\"linkinfo\":{\"info_kind\":\"vrf\"}},"
	"{\"ifname\":\"eno3\",\"master\":\"vrf-mgmt\",\"linkinfo\":{"
	"\"info_slave_kind\":\"vrf\"}}]";

static void test_options(void **state)
{
	_cleanup_free_ char *make = written(virtual_make, options);

	(void)state;
	assert_string_equal(make,
		"link add name bond0 type bond mode active-backup arp_interval 500 "
		"arp_ip_target 192.0.2.1,198.51.100.11 arp_validate active "
		"primary_reselect failure fail_over_mac active num_grat_arp 3\n"
		"link add name br100 type bridge forward_delay 0 ageing_time 0 "
		"group_fwd_mask 0x4000 mcast_snooping 0 mcast_querier 1\n"
		"link add link bond0 name bond0.100 type vlan protocol 802.1Q id 100 "
		"loose_binding on egress-qos-map 0:3 6:6\n"
		"link add link bond0 name plain type vlan protocol 802.1Q id 7 "
		"reorder_hdr off gvrp on\n"
		"link set dev eno1 down\nlink set dev eno1 master bond0\n"
		"link set dev eno1 type bond_slave prio 10\n"
		"link set dev bond0 type bond primary eno1\n"
		"link set dev bond0.100 down\nlink set dev bond0.100 master br100\n"
		"link set dev bond0.100 type bridge_slave hairpin on learning off isolated on\n");
}

/* A link above another one has to wait for that, wherever it is in the list. */
static void test_depth(void **state)
{
	_cleanup_json_ struct json_object *links = json_tokener_parse(options);

	(void)state;
	for (size_t i = 0; i < json_object_array_length(links); i++) {
		struct json_object *link = json_object_array_get_idx(links, i);

		assert_int_equal(virtual_depth(links, link), json_word(link, "link") ? 1 : 0);
		/* What is in a VRF comes with that. */
		assert_int_equal(virtual_returns(links, link),
				 strcmp(json_word(link, "ifname"), "vrf-mgmt") &&
				 strcmp(json_word(link, "ifname"), "eno3"));
	}
}

static void test_returns(void **state)
{
	static const struct {
		const char *name;
		bool returns;
	} known[] = {
		{ "lo", true }, { "eth0", true }, { "inner", true }, { "bond0", true },
		{ "br0", true }, { "wg0", false }, { "tunnel.7", false }, { "tap0", false },
		{ "virbr0", false },
	};
	_cleanup_json_ struct json_object *links = json_tokener_parse(stack);
	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < json_object_array_length(links); i++) {
		struct json_object *link = json_object_array_get_idx(links, i);

		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++) {
			if (strcmp(json_word(link, "ifname") ?: "", known[j].name))
				continue;
			assert_int_equal(virtual_returns(links, link), known[j].returns);
			seen++;
		}
	}
	assert_int_equal(seen, sizeof(known) / sizeof(known[0]));
}

/* Nobody makes such things; nothing may loop over them. */
static void test_circle(void **state)
{
	_cleanup_free_ char *make = written(virtual_make,
		"[{\"ifname\":\"a\",\"link\":\"b\",\"linkinfo\":{\"info_kind\":\"vlan\"}},"
		"{\"ifname\":\"b\",\"link\":\"a\",\"linkinfo\":{\"info_kind\":\"vlan\"}}]");

	(void)state;
	assert_string_equal(make, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_circle),
	};

	return cmocka_run_group_tests_name("virtual", tests, NULL, NULL);
}
