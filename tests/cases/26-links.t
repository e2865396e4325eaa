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
wait_until 60 guest 'ip -br addr show br0 | grep -q 10.77.0.2 && ip -br addr show inner | grep -q 10.77.5.2' ||
	give_up "the bridge has the address" "$(guest ip addr)"

guest 'echo 20000 >/proc/sys/kernel/ns_last_pid'
pid=$(guest "setsid /usr/local/bin/echo $port </dev/null >/dev/null 2>&1 & echo \$!")
redis_fill 16
restore_config redis-server "$pid"
networks() {
	guest 'ip -br link show up; ip -br addr show up; bridge -d link; ip -d link show inner | grep vlan
		cat /sys/class/net/bond0/bonding/mode /sys/class/net/br0/bridge/forward_delay
		ip route' | sed 's/@[^ ]*//'
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
	is "none had to be waited for" "$(guest 'journalctl -b -o cat -u "nvwa*" | grep -c "did not appear"')" 0
done

# --- a link of a kind that only the machine itself can make ---------------------------

guest 'ip link add macvlan0 link br0 type macvlan && ip addr add 10.77.9.2/24 dev macvlan0 &&
	ip link set macvlan0 up' || give_up "there is another link"
bound=$(guest 'setsid python3 -c "
import socket, time
s = socket.create_server((\"10.77.9.2\", 9))
time.sleep(1e6)" </dev/null >/dev/null 2>&1 & echo $!')
restore_config redis-server "$pid $bound"
wait_until 30 guest 'ss -ltnH sport = 9 | grep -q .'
like "the check refuses a program with a socket there, and no other" "$(guest nvwa check 2>&1)" \
	"pid-$pid .*: can be carried.*pid-$bound .*: cannot be carried.*a socket at 10.77.9.2, an address of the network link macvlan0"
no_splats
done_testing
