// SPDX-License-Identifier: GPL-2.0-only
/* Routes, rules and addresses: what is made of what ip(8) prints, and whether it all comes back. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "lib/net/batch.h"
#include "lib/net/net.h"
#include "lib/net/routes.h"
#include "tests/unit/net-namespace.h"
#include "tests/unit/temp-dir.h"

/* --- words ------------------------------------------------------------------- */

/* As on a machine with a VPN. */
static bool returns(void *ctx, const char *link)
{
	(void)ctx;
	return strcmp(link, "wg0");
}

static void expect(void (*put)(FILE *batch, char *text), const char *text, const char *expected)
{
	_cleanup_free_ char *copy = strdup(text), *batch = NULL;
	size_t len;
	FILE *out = open_memstream(&batch, &len);

	assert_non_null(copy);
	put(out, copy);
	fclose(out);
	assert_string_equal(batch, expected);
}

static void put_v4(FILE *batch, char *text)
{
	routes_put(batch, text, false, returns, NULL);
}

static void put_v6(FILE *batch, char *text)
{
	routes_put(batch, text, true, returns, NULL);
}

static void put_rules(FILE *batch, char *text)
{
	routes_put_rules(batch, text, false);
}

static void put_rules6(FILE *batch, char *text)
{
	routes_put_rules(batch, text, true);
}

/* Several uplinks with tables of their own, a VPN, and a routing daemon with next-hop objects. */
static void test_v4(void **state)
{
	(void)state;
	expect(put_v4,
	       "default via 198.51.100.57 dev eth1 proto static metric 20 \n"
	       "10.10.0.0/16 nhid 20 proto bgp metric 20 \n"
	       "\tnexthop via 192.0.2.1 dev eth0 weight 1 \n"
	       "\tnexthop via 192.0.2.2 dev eth0 weight 1 \n"
	       "10.11.0.0/16 nhid 12 via 192.0.2.1 dev eth0 proto bgp metric 20 onlink \n"
	       "10.12.0.0/16 \n"
	       "\tnexthop via 192.0.2.3 dev eth0 weight 2 \n"
	       "\tnexthop via 192.0.2.4 dev eth0 weight 1 linkdown \n"
	       "10.13.0.0/16 via 192.0.2.5 dev eth0 mtu lock 1400 rto_min lock 20ms quickack 1 \n"
	       "10.14.0.0/16 via 192.0.2.5 dev eth0 rt_offload \n"
	       "10.15.0.0/16 via inet6 fe80::2 dev eth0 \n"
	       "10.16.0.0/16 nhid 13 via inet6 fe80::2 dev eth0 proto bgp \n"
	       "blackhole 203.0.113.0/24 metric 4294967295 \n"
	       "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.250 \n"
	       "198.51.100.57 dev eth1 scope link linkdown \n"
	       "default dev wg0 table 51820 scope link \n"
	       "unreachable default table 103 metric 4278198272 \n"
	       "local default dev lo table 100 scope host \n"
	       "local 192.0.2.250 dev eth0 table local proto kernel scope host src 192.0.2.250 \n"
	       "local 192.0.2.77 dev eth0 table local scope host \n",
	       "-4 route append blackhole 203.0.113.0/24 metric 4294967295\n"
	       "-4 route append 198.51.100.57 dev eth1 scope link\n"
	       "-4 route append unreachable default table 103 metric 4278198272\n"
	       "-4 route append local default dev lo table 100 scope host\n"
	       "-4 route append local 192.0.2.77 dev eth0 table local scope host\n"
	       /* Those that lead over a gateway. */
	       "-4 route append default via 198.51.100.57 dev eth1 proto static metric 20\n"
	       "-4 route append 10.10.0.0/16 proto bgp metric 20 nexthop via 192.0.2.1 dev eth0 "
	       "weight 1 nexthop via 192.0.2.2 dev eth0 weight 1\n"
	       "-4 route append 10.11.0.0/16 via 192.0.2.1 dev eth0 proto bgp metric 20 onlink\n"
	       "-4 route append 10.12.0.0/16 nexthop via 192.0.2.3 dev eth0 weight 2 "
	       "nexthop via 192.0.2.4 dev eth0 weight 1\n"
	       "-4 route append 10.13.0.0/16 via 192.0.2.5 dev eth0 mtu lock 1400 rto_min 20ms "
	       "quickack 1\n"
	       "-4 route append 10.14.0.0/16 via 192.0.2.5 dev eth0\n"
	       "-4 route append 10.15.0.0/16 via inet6 fe80::2 dev eth0\n"
	       "-4 route append 10.16.0.0/16 via inet6 fe80::2 dev eth0 proto bgp\n");
}

static void test_v6(void **state)
{
	(void)state;
	expect(put_v6,
	       "2001:db8:1::/64 dev eth0 proto ra metric 100 expires 2591999sec pref medium\n"
	       "2001:db8:ff::/48 via fe80::1 dev eth0 proto ra metric 100 expires 1799sec "
	       "mtu 1492 hoplimit 64 pref high\n"
	       "unreachable 2001:db8::/32 dev lo proto static metric 1024 error -113 pref medium\n"
	       "fe80::/64 dev eth0 proto kernel metric 256 pref medium\n"
	       "2001:db8:2::/64 dev eth0 proto kernel metric 256 expires 86390sec pref medium\n"
	       "default via fe80::1 dev eth0 proto ra metric 100 expires 1799sec pref medium\n"
	       "multicast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium\n"
	       "anycast 2001:db8:1:: dev eth0 table local proto kernel metric 0 pref medium\n",
	       "-6 route append 2001:db8:1::/64 dev eth0 proto ra metric 100 expires 2591999 "
	       "pref medium\n"
	       "-6 route append unreachable 2001:db8::/32 dev lo proto static metric 1024 "
	       "pref medium\n"
	       "-6 route append 2001:db8:2::/64 dev eth0 proto kernel metric 256 expires 86390 "
	       "pref medium\n"
	       "-6 route append 2001:db8:ff::/48 via fe80::1 dev eth0 proto ra metric 100 "
	       "expires 1799 mtu 1492 hoplimit 64 pref high\n"
	       "-6 route append default via fe80::1 dev eth0 proto ra metric 100 expires 1799 "
	       "pref medium\n");
}

static void test_rules(void **state)
{
	(void)state;
	expect(put_rules,
	       "0:\tfrom all lookup local\n"
	       "8:\tfrom all goto 99 [unresolved]\n"
	       "10:\tfrom all lookup main suppress_prefixlength 0\n"
	       "11:\tnot from all fwmark 0x38f lookup wireguard\n"
	       "1000:\tfrom all lookup [l3mdev-table]\n"
	       "29001:\tfrom 198.51.100.58 lookup 101\n"
	       "29002:\tfrom all to 198.51.100.56/30 lookup 101\n"
	       "29100:\tfrom all iif eth9 [detached] lookup 103\n"
	       "32766:\tfrom all lookup main\n"
	       "32767:\tfrom all lookup default\n",
	       "-4 rule add pref 8 from all goto 99\n"
	       "-4 rule add pref 10 from all lookup main suppress_prefixlength 0\n"
	       "-4 rule add pref 11 not from all fwmark 0x38f lookup wireguard\n"
	       "-4 rule add pref 29001 from 198.51.100.58 lookup 101\n"
	       "-4 rule add pref 29002 from all to 198.51.100.56/30 lookup 101\n"
	       "-4 rule add pref 29100 from all iif eth9 lookup 103\n");
	/* Another one in the place of the first. */
	expect(put_rules6,
	       "5:\tfrom 2001:db8::1 lookup 101\n"
	       "100:\tfrom all lookup local\n"
	       "32766:\tfrom all lookup main\n",
	       "-6 rule add pref 5 from 2001:db8::1 lookup 101\n"
	       "-6 rule add pref 100 from all lookup local\n"
	       "-6 rule del pref 0 lookup local\n");
	/* Not even these: something is wrong, and nothing is to be taken away. */
	expect(put_rules, "", "");
}

/* --- lines that fail ------------------------------------------------------------- */

static void test_each_by_itself(void **state)
{
	char file[PATH_MAX];
	struct error err = { 0 };
	_cleanup_free_ char *routes = NULL;
	int r;

	(void)state;
	NEED_NAMESPACE();
	free(shell("ip link set lo up"));
	assert_return_code(path_format(file, sizeof(file), "%s/piece", temp_dir), 0);
	r = batch_run(file,
		      "route append 203.0.113.0/32 dev lo\n"
		      "route append 203.0.113.0/32 dev lo\n"
		      "route append 203.0.113.1/32 dev lo strange word\n"
		      "\n"
		      "route append 203.0.113.2/32 dev lo\n"
		      "route append 203.0.113.3/32 dev none\n"
		      "route append 203.0.113.4/32 dev lo\n"
		      "route append 2001:db8::/64 dev lo expires 7sec\n"
		      "route append 203.0.113.5/32 dev lo\n"
		      "route append 203.0.113.6/99 dev lo\n", &err);
	assert_int_equal(r, -EIO);
	assert_non_null(strstr(err.text, "4 of the commands"));
	assert_non_null(strstr(err.text, "'ip route append 203.0.113.1/32 dev lo strange word': "
			       "Error: "));
	routes = shell("ip -4 route show");
	assert_string_equal(routes, "203.0.113.0 dev lo scope link \n"
			    "203.0.113.2 dev lo scope link \n203.0.113.4 dev lo scope link \n"
			    "203.0.113.5 dev lo scope link \n");
	free(shell("ip route flush table main"));

	memset(&err, 0, sizeof(err));
	assert_return_code(batch_run(file, "route append 203.0.113.0/32 dev lo\n"
				     "route append 203.0.113.0/32 dev lo\n", &err), 0);
	assert_string_equal(err.text, "");
	assert_return_code(batch_run(file, "", &err), 0);
	free(shell("ip route flush table main"));
}

/* More of them than are carried out at a time. */
static void test_many_lines(void **state)
{
	_cleanup_free_ char *text = NULL, *count = NULL;
	char file[PATH_MAX];
	struct error err = { 0 };
	size_t len;
	FILE *out;

	(void)state;
	NEED_NAMESPACE();
	out = open_memstream(&text, &len);
	for (int i = 0; i < 600; i++)
		fprintf(out, "route append 10.0.%d.%d/32 dev %s\n", i / 100, i % 100,
			i == 599 ? "none" : "lo");
	fclose(out);
	assert_return_code(path_format(file, sizeof(file), "%s/piece", temp_dir), 0);
	assert_int_equal(batch_run(file, text, &err), -EIO);
	assert_non_null(strstr(err.text, "1 of the commands"));
	assert_non_null(strstr(err.text, "10.0.5.99/32 dev none': Cannot find device"));
	count = shell("ip route show | wc -l; ip route flush table main");
	assert_string_equal(count, "599\n");
}

/* --- there and back ---------------------------------------------------------------- */

/* All that this namespace has; times go on, and a link without its port is no matter. */
static char *network(void)
{
	return shell("ip -br link show type bridge | cut -d' ' -f1; ip -br addr | "
		     "awk '{ $2 = \"\"; print }'\n"
		     "ip -4 route show table all; ip -6 route show table all\n"
		     "ip -4 rule show; ip -6 rule show\n"
		     "ip -d link show type bridge | grep -o -E "
		     "'mtu [0-9]+|ageing_time [0-9]+|forward_delay [0-9]+|mcast_snooping .'"
		     "| sort | uniq -c");
}

/* Less what differs from one moment to the next. */
static char *lasting(char *text)
{
	static const char *const gone[] = { " linkdown", " expires ", "sec" };

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		char *at;

		while ((at = strstr(text, gone[i]))) {
			size_t len = strlen(gone[i]);

			if (i == 1)
				len += strspn(at + len, "0123456789");
			memmove(at, at + len, strlen(at + len) + 1);
		}
	}
	return text;
}

static void expect_same(const char *before, const char *after)
{
	char old[PATH_MAX], new[PATH_MAX];

	if (!strcmp(before, after))
		return;
	assert_return_code(path_format(old, sizeof(old), "%s/before", temp_dir), 0);
	assert_return_code(path_format(new, sizeof(new), "%s/after", temp_dir), 0);
	assert_return_code(file_write(old, before, strlen(before), 0644), 0);
	assert_return_code(file_write(new, after, strlen(after), 0644), 0);
	fail_msg("%s", shell("diff %s %s || true", old, new));
}

static void test_there_and_back(void **state)
{
	_cleanup_free_ char *before = NULL, *after = NULL, *expires = NULL;
	struct error err = { 0 };

	(void)state;
	NEED_NAMESPACE();
	free(shell(
		"ip link set lo up; ip link set lo mtu 60000; ip addr add 192.0.2.200/32 dev lo\n"
		"ip link add br0 type bridge ageing_time 100 mcast_snooping 0 forward_delay 400\n"
		"ip link add br1 type bridge\n"
		"ip link set br0 addrgenmode none; ip link set br1 addrgenmode none\n"
		"ip link set br0 mtu 1400 up; ip link set br1 up\n"
		"ip addr add 192.0.2.2/24 dev br0 metric 50; ip addr add 192.0.2.3/24 dev br0\n"
		"ip addr add 198.51.100.58/32 dev br1\n"
		"ip addr add 2001:db8:1::2/64 dev br0 nodad; ip addr add fe80::7/64 dev br0 nodad\n"
		"ip addr add fe80::7/64 dev br1 nodad\n"
		/* A gateway that only another route leads to; two that differ in nothing else. */
		"ip route add 198.51.100.57 dev br1 scope link\n"
		"ip route add default via 198.51.100.57 dev br1 metric 20\n"
		"ip route add 10.1.0.0/16 via 192.0.2.5 dev br0 tos 4\n"
		"ip route append 10.1.0.0/16 via 192.0.2.6 dev br0 tos 4\n"
		"ip route add 10.13.0.0/16 via 192.0.2.5 dev br0 mtu lock 1300 rto_min 20ms\n"
		"ip route add 10.15.0.0/16 via inet6 fe80::2 dev br0\n"
		"ip route add 10.12.0.0/16 nexthop via 192.0.2.3 dev br0 weight 2 "
		"nexthop via 192.0.2.4 dev br0 onlink\n"
		"ip route add blackhole 203.0.113.0/24 metric 4294967295\n"
		"ip route add default via 192.0.2.7 dev br0 table 101\n"
		"ip route add local default dev lo table 100\n"
		"ip route add unreachable default table 103\n"
		"ip -6 route add 2001:db8:2::/64 dev br1 proto ra metric 100 expires 3000\n"
		"ip -6 route add default via fe80::1 dev br0 proto ra metric 100 expires 1800\n"
		"ip -6 route add default dev br1 table 101\n"
		"ip -6 route add unreachable 2001:db8::/32\n"
		"ip -6 route add 2001:db8:9::/48 via 2001:db8:1::9 dev br0\n"
		"ip rule add pref 10 lookup main suppress_prefixlength 0\n"
		"ip rule add pref 11 not fwmark 0x38f lookup 101; ip rule add pref 12 iif br9 "
		"lookup 102\n"
		"ip rule add pref 13 from 1.2.3.4 ipproto tcp dport 80-90 uidrange 0-10 "
		"lookup 101\n"
		"ip rule add pref 14 from 1.2.3.4 unreachable; ip rule add pref 15 goto 20\n"
		"ip rule add pref 100 lookup local; ip rule del pref 0\n"
		"ip -6 rule add pref 9 from 2001:db8::1 lookup 101\n"
		"ip -6 rule add pref 8 lookup 101"));
	before = lasting(network());
	assert_return_code(net_save(temp_dir, &err), 0);
	assert_string_equal(err.text, "");

	free(shell("ip link del br0; ip link del br1; \n"
		   "for table in main 100 101 103; do ip -4 route flush table $table || true\n"
		   "ip -6 route flush table $table || true; done 2>/dev/null\n"
		   "ip addr flush dev lo scope global; ip link set lo mtu 65536\n"
		   "ip rule add pref 0 lookup local\n"
		   "for pref in 10 11 12 13 14 15 100; do ip rule del pref $pref; done\n"
		   "for pref in 8 9; do ip -6 rule del pref $pref; done"));
	after = lasting(network());
	assert_string_not_equal(before, after);
	free(after);

	net_restore(temp_dir, 0, &err);
	assert_string_equal(err.text, "");
	after = lasting(network());
	expect_same(before, after);
	expires = shell("ip -6 route show 2001:db8:2::/64 | grep -E 'expires (29|30)[0-9]{2}sec'");

	/* What is there already is left as it is, and is there but once. */
	free(shell("ip route del 10.12.0.0/16"));
	net_restore(temp_dir, 0, NULL);
	free(after);
	after = lasting(network());
	expect_same(before, after);
}

/* As when a service that has a cluster's address is stopped. */
static void test_gone(void **state)
{
	_cleanup_free_ char *before = NULL, *gone = NULL;

	(void)state;
	NEED_NAMESPACE();
	free(shell("ip link add br7 type bridge; ip link add br8 type bridge\n"
		   "ip link set br7 up; ip link set br8 up; ip addr add 192.0.2.7/24 dev br7\n"
		   "ip addr add 192.0.2.70/24 dev br7; ip addr add 192.0.2.71/24 dev br7"));
	assert_return_code(net_addresses(&before, NULL), 0);
	assert_return_code(net_addresses_gone(before, &gone, NULL), 0);
	assert_string_equal(gone, "");
	free(gone);
	/* One goes, and one moves. */
	free(shell("ip addr del 192.0.2.71/24 dev br7; ip addr add 192.0.2.71/24 dev br8\n"
		   "ip addr del 192.0.2.7/24 dev br7; ip addr add 192.0.2.70/24 dev br7"));
	assert_return_code(net_addresses_gone(before, &gone, NULL), 0);
	assert_string_equal(gone, "192.0.2.7 br7\n");
	free(shell("ip link del br7; ip link del br8"));
}

static int set_up(void **state)
{
	enter_namespace(state);
	return make_temp_dir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_each_by_itself),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests_name("routes", tests, set_up, remove_temp_dir);
}
