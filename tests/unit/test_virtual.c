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
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_circle),
	};

	return cmocka_run_group_tests_name("virtual", tests, NULL, NULL);
}
