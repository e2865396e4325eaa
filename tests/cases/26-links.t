#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A machine whose address is on a bridge, over a bond, with a VLAN on top: those links are
# there again before its own network is set up, for a service and for a program that goes ahead.

# shellcheck disable=SC2016 # the guest's shell and jq expand
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

port=7
make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
"$top/lab/push" "$top/build/tests/workloads/echo" /usr/local/bin/
redis_start
guest 'cd /etc/systemd/network && mv 10-lab.network 30-br0.network &&
	sed -i "s/^MACAddress=.*/Name=br0/; s/^\[Network\]/&\nVLAN=inner/" 30-br0.network &&
	printf "[NetDev]\nName=bond0\nKind=bond\n[Bond]\nMode=active-backup\nMIIMonitorSec=100ms\n" >bond0.netdev
	printf "[NetDev]\nName=br0\nKind=bridge\n[Bridge]\nSTP=no\nForwardDelaySec=4\n" >br0.netdev
	printf "[NetDev]\nName=inner\nKind=vlan\n[VLAN]\nId=5\n" >inner.netdev
	printf "[Match]\nName=eth0\n[Network]\nBond=bond0\n" >10-eth0.network
	printf "[Match]\nName=bond0\n[Network]\nBridge=br0\nLinkLocalAddressing=no\n" >20-bond0.network
	printf "[Match]\nName=inner\n[Network]\nAddress=10.77.5.2/24\nLinkLocalAddressing=no\n" >40-inner.network
	systemd-run -q networkctl reload' || give_up "the network is set up"
# What nobody makes again at a boot: a VLAN with large packets, older than the bond below it, ports
# of a bridge that are kept apart, tables of routes, and an address that a service has.
guest 'mkdir -p /etc/systemd/networkd.conf.d
	printf "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n" >/etc/systemd/networkd.conf.d/keep.conf
	printf "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=ip addr add 10.77.0.77/24 dev br0\nExecStop=ip addr del 10.77.0.77/24 dev br0\n" >/etc/systemd/system/cluster.service
	systemctl daemon-reload' || give_up "the network is set up"
wait_until 60 guest 'ip -br addr show br0 | grep -q 10.77.0.2 && ip -br addr show inner | grep -q 10.77.5.2' ||
	give_up "the bridge has the address" "$(guest ip addr)"
guest 'set -e
	systemctl restart systemd-networkd
	ip link add d0 type dummy; ip link add d1 type dummy; ip link add d2 type dummy
	ip link add bond1 index 950 type bond mode active-backup arp_interval 900 arp_ip_target 192.0.2.1 fail_over_mac active
	ip link set d0 master bond1; ip link set d1 master bond1; ip link set bond1 type bond primary d1
	ip link set bond1 mtu 9000 up
	ip link add link bond1 name jumbo index 900 mtu 9000 type vlan id 7 egress-qos-map 0:3
	ip link set jumbo up; ip addr add 10.77.7.2/24 dev jumbo
	ip link set d2 master br0; ip link set d2 type bridge_slave isolated on learning off; ip link set d2 up
	ip route add default via 10.77.0.9 dev br0 table 101; ip rule add pref 900 from 10.77.0.2 to 10.99.0.0/16 lookup 101
	ip -6 route add 2001:db8:2::/64 via fe80::9 dev br0 expires 3000
	ip -6 route add 2001:db8:3::/64 via fe80::9 dev br0; ip -6 rule add pref 900 lookup 101
	systemctl start cluster' || give_up "there are more links and routes"

guest 'echo 20000 >/proc/sys/kernel/ns_last_pid'
pid=$(guest "setsid /usr/local/bin/echo $port </dev/null >/dev/null 2>&1 & echo \$!")
redis_fill 16
restore_config redis-server "$pid"
networks() {
	guest '(ip -br link show up; ip -br addr show up) | grep -v -E "^(jumbo|bond1|d[012])"
		bridge -d link; ip -d link show inner | grep vlan
		cat /sys/class/net/bond0/bonding/mode /sys/class/net/br0/bridge/forward_delay
		grep . /sys/class/net/bond1/bonding/{arp_interval,arp_ip_target,primary,fail_over_mac}
		grep . /sys/class/net/{bond1,jumbo}/mtu; grep EGRESS /proc/net/vlan/jumbo
		ip -o -4 addr show jumbo; ip rule; ip -6 rule; ip route; ip route show table 101
		ip -6 route show | grep ^2001:db8' |
		sed -E 's/@[^ ]*//; s/^[0-9]+: //; s/ linkdown//; s/expires [23][0-9]{3}sec/expires/; s/\\.*//' | sort
}

for target in 7 6.12; do
	networks >"$out/networks.before"
	redis_note
	client_start probe "$tests_dir/clients/probe.py" "$guest_ip" "$port" --period 10 --tcp
	update_to "$(lab_kernel trixie "$target")"
	ok "the program answers again" client_advances probe
	client_stop probe
	is "no datagram is answered twice, and its TCP connection lives" \
		"$(jq -r '"\(.twice) \(.unknown) \(.tcp.outcome) \(.tcp.wrong)"' "$out/probe.json")" \
		"0 0 ok 0"
	redis_same
	networks >"$out/networks.after"
	ok "links, addresses and routes are as before" diff "$out/networks.before" \
		"$out/networks.after"
	is "an address that a stopped service had is left to it" \
		"$(guest 'systemctl is-active cluster; systemctl --failed --plain --no-legend')" active
	is "none had to be waited for" "$(guest 'journalctl -b -o cat -u "nvwa*" | grep -c "did not appear"')" 0
done

# --- a link of a kind that only the machine itself can make ---------------------------

guest 'ip link add macvlan0 link br0 type macvlan && ip addr add 10.77.9.2/24 dev macvlan0 &&
	ip link set macvlan0 up' || give_up "there is another link"
guest 'ip link add vrf9 type vrf table 9 && ip link set vrf9 up' || give_up "there is a VRF"
in_vrf=$(guest 'setsid python3 -c "
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b\"vrf9\")
s.bind((\"\", 19))
s.listen()
time.sleep(1e6)" </dev/null >/dev/null 2>&1 & echo $!')
bound=$(guest 'setsid python3 -c "
import socket, time
s = socket.create_server((\"10.77.9.2\", 9))
time.sleep(1e6)" </dev/null >/dev/null 2>&1 & echo $!')
restore_config redis-server "$pid $bound $in_vrf"
wait_until 30 guest 'ss -ltnH sport = 9 | grep -q . && ss -ltnH sport = 19 | grep -q .'
check=$(guest nvwa check 2>&1)
like "the check refuses a program with a socket there, and no other" "$check" \
	"pid-$pid .*: can be carried.*pid-$bound .*: cannot be carried.*a socket at 10.77.9.2, an address of the network link macvlan0"
like "and one that is bound to a VRF" "$check" \
	"pid-$in_vrf .*: cannot be carried.*a socket that is bound to the network link vrf9"
no_splats
done_testing
