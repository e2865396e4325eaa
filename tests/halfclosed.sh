# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # lib.sh sets
# TCP connections in every state through an update, with peers outside and in the guest itself: see
# tests/workloads/halfclosed.c and its peer, tests/clients/halfclosed.py. Sourced after lib.sh.

halfclosed_push() {
	make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
	"$top/lab/push" "$top/build/tests/workloads/halfclosed" /usr/local/bin/
	"$top/lab/push" "$tests_dir/clients/halfclosed.py" /root/
}

# halfclosed_connect PORT: connect to the program from outside; all are in their states.
halfclosed_connect() {
	local families=("ipv4=$guest_ip" "ipv6=fd77::2" "mapped=$guest_ip" "device=$guest_ip")
	client_start halfclosed "$tests_dir/clients/halfclosed.py" "$1" "${families[@]}"
	wait_until 120 jq -e .ready "$out/halfclosed.progress" ||
		give_up "connections are in every state" "$(cat "$out/halfclosed.err")"
}

# halfclosed_within PORT: the same in the guest; prints the PID of the peer, which is to be carried.
halfclosed_within() {
	guest "rm -f /root/within
		setsid python3 /root/halfclosed.py $1 ipv4=127.0.0.1 ipv6=::1 mapped=127.0.0.1 --progress /root/within \
			</dev/null >/dev/null 2>/root/within.err & echo \$!"
	wait_until 120 guest "grep -q 'ready.*true' /root/within"
}

# halfclosed_whole TEXT RESULT: of connections in every state nothing was lost.
halfclosed_whole() {
	ok "$1: all bytes came once and in turn, and the end after them; no reset" \
		jq -e '.connections > 12 and .wrong == {}' <<<"$2" || diag "$2"
}

# After the update.
halfclosed_came_through() {
	client_end halfclosed
	halfclosed_whole "peers outside ($(jq .connections "$out/halfclosed.json") connections)" \
		"$(cat "$out/halfclosed.json" "$out/halfclosed.err")"
}

halfclosed_came_through_within() {
	wait_until 300 guest "grep -q 'wrong' /root/within"
	halfclosed_whole "peers on this machine" "$(guest cat /root/within /root/within.err)"
}
