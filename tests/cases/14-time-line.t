#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The time line against the outside world: how long a program stands still is what
# somebody sees who sends it a datagram every 5 ms.

# shellcheck disable=SC2016 # the guest's shell and jq expand
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

port=7
tolerance=5	# percent
period=5	# ms

make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
"$top/lab/push" "$top/build/tests/workloads/echo" /usr/local/bin/
guest "systemd-run -q --unit=echo --collect -p StandardOutput=null -p StandardError=null \
	/usr/local/bin/echo $port" || give_up "the program starts"
pid=$(guest 'systemctl show -P MainPID echo') || give_up "the program has a PID"
restore_config "" "$pid"
client_start probe "$tests_dir/clients/probe.py" "$guest_ip" "$port" --period "$period" --tcp

update_to "$(lab_kernel trixie 7)"
ok "the program answers again" client_advances probe
client_stop probe
guest nvwa report >"$out/report.txt"
guest nvwa report --json >"$out/report.json"
probe=$out/probe.json
report=$out/report.json

# near TEXT MS: within the tolerance of what the probe has seen, and its period.
near() {
	ok "$1: $2 ms, seen from outside: $gap ms" jq -en \
		"($2 - $gap) | fabs <= $gap * $tolerance / 100 + $period"
}
gap=$(jq -r .gap_ms "$probe")
ok "the gap is one of the update's, not a machine that was busy" \
	jq -e '.gap_ms > 20 * .late_ms and .gap_ms > 20 * .round_trip_ms' "$probe"
near "the program stands still" "$(jq -r '.apps[0] | .end_ms - .stop_ms' "$report")"
near "the blackout" "$(jq -r .blackout_ms "$report")"
is "the steps up to the program's first instruction make up the blackout" \
	"$(jq -r --arg name "pid-$pid" '(.steps | map(select(.share > 0)) | map(.share) | add * 100 | round)' \
		"$report")" 100
is "every moment is there" "$(jq -r '[.steps[].step] as $have |
	["stopped", "dumped", "captured", "saved", "described", "jump", "kernel-told", "devices-quieted",
	 "cpus-parked", "kernel-entry", "init-start",
	 "modules", "adopted", "memory-added", "root-mounted", "root-entered", "exec-init", "systemd", "generators",
	 "units-loaded", "network", "restore", "first-packet", "settled"] - $have | join(" ")' "$report")" ""
ok "the phases follow one another, and those of the blackout make it up" jq -e '
	.last as $last | [.last.phases[] | select(.name | IN("freeze", "jump and boot", "adopt", "resume"))] |
	length == 4 and all(.[]; .start_tsc < .end_tsc) and ([.[1:][].start_tsc] == [.[:-1][].end_tsc]) and
	((.[-1].end_tsc - .[0].start_tsc) / $last.tsc_khz - $last.blackout_ms | fabs < 0.01)' "$out/status.json"
ok "moments are in their order" jq -e '[.steps[].start_ms] | . == sort' "$report"
near "until the first packet goes out" "$(jq -r '.apps[0].stop_ms as $stop |
	.steps[] | select(.step == "first-packet") | .end_ms - $stop' "$report")"
is "no datagram is answered twice, no answer is one that nobody asked for" \
	"$(jq -r '"\(.twice) \(.unknown)"' "$probe")" "0 0"
is "nobody was told that the program is not there" "$(jq -r '.errors.ECONNREFUSED // 0' "$probe")" 0
is "its TCP connection lives, and lost nothing" "$(jq -r '.tcp | "\(.outcome) \(.wrong)"' "$probe")" "ok 0"
diag "$(jq -r '"over TCP the longest stall was \(.tcp.stall_ms) ms; \(.unanswered) of \(.sent) datagrams were not answered; errors: \(.errors); answered in \(.round_trip_ms) ms, sent up to \(.late_ms) ms late"' "$probe")"
diag "$(cat "$out/report.txt")"
no_splats
done_testing
