#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Programs that are carried by their PID go on before systemd starts, and find everything as
# it was: a file system of /etc/fstab, files in /tmp, settings of sysctl.d, the name
# of the network link, which ifupdown sets up, and TCP connections in every state. What needs systemd
# goes on after it, and the check says why.

# shellcheck disable=SC2016,SC2034 # the guest's shell and jq expand; lib.sh reads extra_debs
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/halfclosed.sh
. "$tests_dir/halfclosed.sh"

port=7
make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
truncate -s 64M "$out/srv.img"
mkfs.ext4 -q -F "$out/srv.img" || give_up "a file system is made"

extra_debs=(apparmor ifupdown)
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2 --append net.ifnames=1 \
	--qemu "-drive file=$out/srv.img,if=virtio,format=raw,cache=unsafe"
"$top/lab/push" "$top/build/tests/workloads/echo" /usr/local/bin/
guest 'echo "/dev/vdb /srv ext4 rw,noatime 0 2" >>/etc/fstab
	systemctl daemon-reload && mount /srv
	# On a busy machine, it may take longer until the packet filter is there than a connection is asked for.
	printf "net.core.somaxconn=8000\nnet.ipv4.conf.default.shared_media=0\nnet.ipv4.tcp_syn_retries=12\n" >/etc/sysctl.d/50-test.conf
	sysctl -q -p /etc/sysctl.d/50-test.conf
	link=$(ip -o -4 route show default | cut -d" " -f5)
	sysctl -q -w "net/ipv4/conf/$link/shared_media=0" "net/ipv4/conf/$link/log_martians=1" "net/ipv6/conf/$link/dad_transmits=0"' || give_up "the guest is set up"

# The network as Debian's installer would set it up.
guest 'link=$(ip -o -4 route show default | cut -d" " -f5)
	printf "auto lo\niface lo inet loopback\nallow-hotplug $link\niface $link inet static\n" >/etc/network/interfaces
	printf "address 10.77.0.2/24\ngateway 10.77.0.1\nup echo up >>/run/hooks\n" >>/etc/network/interfaces
	printf "iface $link inet6 static\naddress fd77::2/64\n" >>/etc/network/interfaces
	systemctl -q disable systemd-networkd
	systemd-run -q sh -c "systemctl stop systemd-networkd.socket systemd-networkd
		ip addr flush dev $link scope global; systemctl start ifup@$link"
	sleep 1'
wait_until 60 guest 'test -s /run/hooks' || give_up "ifupdown sets up the network"
link=$(guest 'ip -o -4 route show default | cut -d" " -f5')
guest "ip addr add 10.77.8.2/24 dev $link label $link:more noprefixroute"
# by_ifupdown: what it says of that link, the hook, and what has failed.
by_ifupdown() {
	guest 'ifquery --state | sort; cat /run/hooks; systemctl --failed --plain --no-legend' | paste -sd' '
}

# start COMMAND...: a program with a session of its own; its PID.
start() {
	guest "setsid $* </dev/null >/dev/null 2>&1 & echo \$!"
}
# Nothing but this makes that directory.
guest 'echo 20000 >/proc/sys/kernel/ns_last_pid
	mkdir -p /run/mine/deep; chmod 2750 /run/mine; chown nobody:adm /run/mine/deep'
echo=$(start "/usr/local/bin/echo $port")
held=$(start "/root/guest/held.py /srv 9 6000")
# talks PATH [PORT]: a program that sends to a local socket ten times a second, from a connected socket
# of its own, and listens on TCP.
talks() {
	start "python3 -c '
import itertools, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(\"$1\")
if \"${2:-}\":
    listener = socket.create_server((\"\", ${2:-0}))
for number in itertools.count(1):
    s.send(f\"<14>talks: number {number}\".encode())
    time.sleep(0.1)'"
}
logs=$(talks /dev/log)
waits=$(talks /run/systemd/notify 11)
halfclosed_push
# The same programs, but that they have to wait for systemd.
waiting() {
	start "python3 -c '
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(\"/run/systemd/notify\")
s.set_inheritable(True)
os.execvp(\"$1\", \"$*\".split())'"
}
half=$(waiting halfclosed 9100 "$link")
within=$(waiting halfclosed 9200)
peer=$(halfclosed_within 9200)

links() {
	guest 'ip -o link show up | cut -d: -f2; ip -o -4 addr show; ip route'
}
held_facts() {
	guest "ss -ltnH sport = 9 | tr -s ' ' | cut -d' ' -f3
		stat -c %d:%i /proc/$held/fd/5 /tmp/held | uniq | wc -l
		child=\$(pgrep -P $held); readlink /proc/\$child/root; cat /proc/\$child/fd/5
		find /run/mine -printf '%p %M %u %g\\n'
		findmnt -no SOURCE,OPTIONS /srv /tmp; cat /etc/hostname
		grep -H . /proc/sys/net/ipv[46]/conf/e*/{log_martians,dad_transmits,shared_media} 2>/dev/null"
}
# logged: numbers of the program that logs which the journal has, and how many are out of turn.
logged() {
	guest "journalctl --sync; journalctl -o cat --no-pager _PID=$logs" |
		awk '/^number/ { if (NR > 1 && $2 != last + 1) bad++; last = $2; nr++ }
			END { print nr " numbers", bad + 0 }'
}
# A program at a port that a packet filter closes later on.
closed=
# updated RELEASE: all programs go on; the network is as it was.
updated() {
	links >"$out/links.before"
	held_facts >"$out/held.before"
	halfclosed_connect 9100
	client_start probe "$tests_dir/clients/probe.py" "$guest_ip" "$port" --period 10 --tcp
	[ -z "$closed" ] || client_start knock "$tests_dir/clients/probe.py" "$guest_ip" 13 --period 10
	update_to "$1"
	ok "the program answers again" client_advances probe
	halfclosed_came_through
	halfclosed_came_through_within
	client_stop probe
	if [ -n "$closed" ]; then
		client_stop knock
		is "no datagram gets through to what the machine's packet filter closes" \
			"$(jq -r 'if .sent > 100 then .requests else "not asked" end' "$out/knock.json")" 0
	fi
	is "no datagram is answered twice, and its TCP connection lives" \
		"$(jq -r '"\(.twice) \(.unknown) \(.tcp.outcome) \(.tcp.wrong)"' "$out/probe.json")" \
		"0 0 ok 0"
	is "network links have their names, addresses and routes are as before" "$(links)" "$(cat "$out/links.before")"
	held_facts >"$out/held.after"
	ok "queue, file in /tmp, file system, settings of the link are as before" diff "$out/held.before" \
		"$out/held.after"
	like "ifupdown has set up the network, with all that is to be done besides" "$(by_ifupdown)" \
		"^$link=$link lo=lo up\$"
	numbers=$(logged)
	is "nothing is lost of what is sent to syslog (${numbers% *})" "${numbers##* }" 0
	is "nvwa-init could do all that it was to do" "$(guest 'dmesg | grep "nvwa-init: .*fail"')" ""
	is "the file system was there all the time, and the host's name" \
		"$(guest 'mkdir -p /root/below && mount --bind / /root/below && ls -A /root/below/srv
			umount /root/below; cut -d" " -f2 /srv/log | sort -u')" \
		"$(guest cat /etc/hostname)"
}

# --- one of them needs systemd -------------------------------------------------

# Before it is restored: what comes of a connection to each.
guest 'mkdir -p /etc/systemd/system/nvwa-resume.service.d
	cat >/etc/systemd/system/nvwa-resume.service.d/test.conf <<-EOF
		[Service]
		ExecStartPre=/root/connects 7 11
	EOF
	cat >/root/connects && chmod +x /root/connects && systemctl daemon-reload' <<-'EOF' || give_up "the guest is set up"
	#!/usr/bin/env python3
	import socket, sys
	with open("/root/connected", "w") as out:
	    for port in sys.argv[1:]:
	        try:
	            with socket.create_connection(("127.0.0.1", int(port)), timeout=4):
	                print(port, "connected", file=out)
	        except OSError as error:
	            print(port, error, file=out)
EOF

restore_config "" "$echo $held $logs $waits $half $within $peer"
like "the check says which has to wait, and why" "$(guest nvwa check 2>&1)" \
	"pid-$waits .*not before: it sends to the local socket /run/systemd/notify"
updated "$(lab_kernel trixie 7)"
is "four went ahead of systemd, three did not" \
	"$(for pid in $echo $held $logs $peer $waits $half $within; do when "pid-$pid"; done | paste -sd' ')" \
	"before before before before after after after"
is "TCP went on with those ahead, and was silent for the one that was not back yet" \
	"$(guest 'paste -sd, /root/connected; rm -r /etc/systemd/system/nvwa-resume.service.d')" \
	"7 connected,11 timed out"
is "each has its scope" "$(guest "cat /proc/$echo/cgroup /proc/$held/cgroup /proc/$waits/cgroup
	systemctl is-active nvwa-$echo.scope nvwa-$held.scope nvwa-$waits.scope" | paste -sd' ')" \
	"0::/system.slice/nvwa-$echo.scope 0::/system.slice/nvwa-$held.scope 0::/system.slice/nvwa-$waits.scope active active active"

# --- all go ahead, to a machine with a firewall and AppArmor -------------------------

guest 'sed -i "s/^allow-hotplug/auto/" /etc/network/interfaces'
closed=$(start "/usr/local/bin/echo 13")
client_start knock "$tests_dir/clients/probe.py" "$guest_ip" 13 --period 10
ok "without a packet filter the other program answers" client_advances knock
client_stop knock
guest "kill $waits $half $within; systemctl -q enable nftables && systemctl start nftables &&
	nft add table inet mine &&
	nft 'add chain inet mine in { type filter hook input priority filter; policy accept; }' &&
	nft add rule inet mine in udp dport 13 drop &&
	(echo flush ruleset; nft list ruleset) >/etc/nftables.conf" ||
	give_up "a packet filter is set up"
tables=$(guest nft list tables)
half=$(start "halfclosed 9100 $link")
within=$(start "halfclosed 9200")
peer=$(halfclosed_within 9200)
restore_config "" "$echo $held $logs $closed $half $within $peer"
updated "$(lab_kernel trixie 6.12)"
is "they went ahead of systemd" "$(when "pid-$echo") $(when "pid-$held") $(when "pid-$logs")" \
	"before before before"
is "the machine's packet filter is there, the lock is not" "$(guest nft list tables)" \
	"$tables"
ok "AppArmor has its profiles before they go on" guest '
	loaded=$(journalctl -b -o short-monotonic | grep -m 1 "apparmor=.STATUS.*profile_load")
	test -n "$loaded" && dmesg | grep -m 1 "apparmor=.STATUS.*profile_load" |
	awk -F "[][]" "{ exit !(\$2 < $(systemctl show -P UserspaceTimestampMonotonic) / 1e6) }"'
is "memory is charged where it is used" "$(guest "
	current=\$(cat /sys/fs/cgroup/system.slice/nvwa-$held.scope/memory.current)
	rss=\$(awk '/RssAnon/ { print \$2 * 1024 }' /proc/$held/status)
	test \$current -ge \$rss && echo yes || echo \$current \$rss")" yes
is "the boot was one as ever" "$(guest 'systemctl is-active nvwa-net nvwa-resume multi-user.target
	systemctl --failed --plain --no-legend' | paste -sd' ')" "inactive inactive active"

# --- none does; the packet filter is one that nobody has heard of --------------------

# As firewalld: it takes its rules along when it is stopped, and starts with the most of the services.
guest 'systemctl -q disable nftables && cat >/etc/systemd/system/wall.service &&
	systemctl daemon-reload && systemctl -q enable wall && systemctl start wall
	echo "ahead_of_systemd: no" >/etc/nvwa/nvwa-server.yaml' <<-'EOF' || give_up "there is another packet filter"
	[Unit]
	Wants=network-pre.target
	Before=network-pre.target
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=nft -f /etc/nftables.conf
	ExecStop=nft flush ruleset
	[Install]
	WantedBy=multi-user.target
EOF
like "the check says that it is switched off" "$(guest nvwa check 2>&1)" \
	"not before: ahead_of_systemd is switched off"
peer=$(halfclosed_within 9200)
restore_config "" "$echo $held $logs $closed $half $within $peer"
updated "$(lab_kernel trixie 7)"
is "the other packet filter is there, and nothing else" "$(guest nft list tables)" "$tables"
is "they went on after systemd" "$(when "pid-$echo") $(when "pid-$held") $(when "pid-$logs")" \
	"after after after"
no_splats
done_testing
