#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Plain programs named by their PID: several threads and a child, 512 MB of
# pattern that is verified byte by byte. One was left behind by a login, one
# was started by systemd-run.

# shellcheck disable=SC2016 # the guest's shell and jq expand
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
"$top/lab/push" "$top/build/tests/workloads/pattern" /usr/local/bin/

guest 'mkdir -p /var/lib/pattern/left /var/lib/pattern/unit
	setsid nohup pattern /var/lib/pattern/left 512 </dev/null >/dev/null 2>&1 &
	systemd-run -q --unit=pattern --collect -p StandardOutput=null -p StandardError=null \
		pattern /var/lib/pattern/unit 32' ||
	give_up "the programs start"
# pid_of NAME: the main process, which is the parent of the other one.
pid_of() {
	guest "pgrep -f -o '^(/usr/local/bin/)?pattern /var/lib/pattern/$1 '"
}
for name in left unit; do
	wait_until 120 guest "test -e /var/lib/pattern/$name/ready" ||
		give_up "the program $name gets to work"
done
left=$(pid_of left) || give_up "the program left has a PID"
unit=$(pid_of unit) || give_up "the program unit has a PID"
restore_config "" "$left $unit"

# verify NAME PID N: have it verify itself the N-th time; its verdict.
verify() {
	guest "kill -USR1 $2" &&
		wait_until 120 guest "test -e /var/lib/pattern/$1/result.$3" &&
		guest "cat /var/lib/pattern/$1/result.$3"
}
rss() {
	guest "awk '/^RssAnon/ { print \$2 }' /proc/$1/status"
}
verify left "$left" 1 >"$out/left.1"
verify unit "$unit" 1 >"$out/unit.1"
child=$(jq -r .child "$out/left.1")
rss_before=$(rss "$left")

update_to "$(lab_kernel trixie 7)"
pages_add_up 131072
is "the child has its PID and parent" "$(guest "ps -o ppid= -p $child" | tr -d ' ')" "$left"
rss_after=$(rss "$left")
ok "the program takes no more memory than before: $rss_before, $rss_after kB" \
	test "$rss_after" -le $((rss_before + rss_before / 100))
for name in left unit; do
	verify "$name" "${!name}" 2 >"$out/$name.2"
	is "$name: every byte of parent and child is what it was" \
		"$(jq -r '"\(.bad_bytes) \(.first_bad) \(.child_bad_bytes) \(.child_first_bad)"' \
			"$out/$name.2")" "0  0 "
	is "$name: it verified as much as before" \
		"$(jq -r '"\(.pid) \(.child) \(.pages) \(.child_pages)"' "$out/$name.2")" \
		"$(jq -r '"\(.pid) \(.child) \(.pages) \(.child_pages)"' "$out/$name.1")"
	is "$name: no thread found its state changed, no message was lost" \
		"$(jq -r .errors "$out/$name.2")" 0
	ok "$name: all threads go on working" jq -e -s \
		'.[0] as $b | .[1] | .pings > $b.pings and
		([.counters, $b.counters] | transpose | all(.[0] > .[1]))' \
		"$out/$name.1" "$out/$name.2"
done
no_splats
done_testing
