# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016 # the guest's shell and jq expand
# What the cases and the demo share: results in TAP, guests of the lab with
# nvwa in them, clients in the lab's network, and the proof that an update
# happened. Sourced, never run.

set -u

tests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$tests_dir")
case_name=$(basename "$0" .t)
out=$top/build/tests/$case_name
export NVWA_LAB=${NVWA_LAB:-test-$case_name}
guest_ip=10.77.0.2

# An update, at most, from the command to the new boot id, and on to its end.
# Emulated machines that share two processors are slow.
: "${NVWA_TEST_DEADLINE:=400}"
export NVWA_LAB_DEADLINE=${NVWA_LAB_DEADLINE:-400}

rm -rf "$out"
mkdir -p "$out"

# --- results ------------------------------------------------------------------

tap_count=0
tap_failed=0

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

pass() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

# fail TEXT [WHY...]
fail() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	shift
	[ $# -eq 0 ] || diag "$@"
}

# ok TEXT CMD...: the command succeeds.
ok() {
	local text=$1 output
	shift
	if output=$("$@" 2>&1); then
		pass "$text"
	else
		fail "$text" "$output"
		return 1
	fi
}

# is TEXT GOT WANT
is() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got:  $2
want: $3"
		return 1
	fi
}

# like TEXT GOT REGEX
like() {
	if [[ $2 =~ $3 ]]; then
		pass "$1"
	else
		fail "$1" "got:      $2
wanted:   $3"
		return 1
	fi
}

# Nothing that follows would mean anything.
give_up() {
	fail "$1" "${@:2}"
	exit 1
}

# The plan comes last: a case that ends early is seen to have done so.
done_testing() {
	echo "1..$tap_count"
	tap_done=1
}
tap_done=

finish() {
	local status=$?
	trap - EXIT
	stop_clients
	if guest_known; then
		cp "$("$top/lab/console" --path)" "$out/console.log" 2>/dev/null
		if [ "$status" -ne 0 ] || [ "$tap_failed" -gt 0 ]; then
			diag "the end of the guest's console (all of it: $out/console.log)"
			diag "$(tail -n 40 "$out/console.log" 2>/dev/null | tr -d '\r')"
		fi
		if [ -n "${NVWA_KEEP:-}" ]; then
			diag "the guest is kept: NVWA_LAB=$NVWA_LAB lab/sh"
		else
			"$top/lab/down" >/dev/null 2>&1
		fi
	fi
	[ "$tap_failed" -eq 0 ] || status=1
	if [ -z "$tap_done" ] && [ "$status" -eq 0 ]; then
		status=1
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- waiting ------------------------------------------------------------------

# wait_until SECONDS CMD...: until the command succeeds; fails after the time.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.2
	done
}

# --- guests -------------------------------------------------------------------

guest_is_up=

guest_known() {
	[ -n "$guest_is_up" ]
}

guest() {
	"$top/lab/sh" -- "$@"
}

# Packages that guests have besides, once guest_debs was called.
extra_debs=()

# guest_boot LAB-UP-OPTIONS...: boot a guest as Debian makes it.
guest_boot() {
	"$top/lab/down" >/dev/null 2>&1
	guest_is_up=1
	"$top/lab/up" "$@" >"$out/up.log" 2>&1 ||
		give_up "the guest starts" "$(tail -n 30 "$out/up.log")"
}

# Set for a guest that has nvwa as the README says: apt installs nvwa and nvwa-dkms, which
# builds the module for each kernel, while the image is made. (In the guest, as slow as it is,
# that would take minutes.) Otherwise modules that are ready are packages.
guest_dkms=

# guest_debs SUITE: the packages that this checkout built, for the kernels of the suite.
guest_debs() {
	local release debs
	debs=("$top"/build/nvwa_*_amd64.deb "${extra_debs[@]}")
	[ -z "$guest_dkms" ] || debs+=("$top"/build/nvwa-dkms_*_all.deb)
	for release in $("$top/lab/kernels" --suite "$1"); do
		if [ -n "$guest_dkms" ]; then
			debs+=("linux-headers-$release")
		else
			debs+=("$top/build/nvwa-modules-${release}"_*_amd64.deb)
		fi
	done
	echo "${debs[@]}"
}

# guest_up --suite SUITE LAB-UP-OPTIONS...: boot a guest that has nvwa.
guest_up() {
	guest_boot --packages "$(guest_debs "$2")" "$@"
	"$top/lab/push" "$tests_dir/guest/" /root/guest >"$out/install.log" 2>&1 ||
		give_up "the guest takes files" "$(tail -n 30 "$out/install.log")"
	pass "a guest with nvwa starts ($(tail -n 1 "$out/up.log" | sed "s/.*': //; s/, at .*//"))"
}

# guest_has_dkms: the module is one that nvwa-dkms has built, and the command works with it.
guest_has_dkms() {
	is "nvwa-dkms has built the module" "$(guest modinfo -n nvwa | sed 's/\.ko.*//')" \
		"/lib/modules/$(guest_release)/updates/dkms/nvwa"
	ok "it can be loaded" guest modprobe nvwa
}

# guest_install SUITE: put nvwa into a guest that runs, as its owner would.
guest_install() {
	# shellcheck disable=SC2046 # names of files without blanks
	"$top/lab/push" $(guest_debs "$1") /root/debs/ &&
		"$top/lab/push" "$tests_dir/guest/" /root/guest &&
		guest 'dpkg --force-unsafe-io -i /root/debs/*.deb'
}

guest_release() {
	guest uname -r
}

guest_boot_id() {
	guest cat /proc/sys/kernel/random/boot_id
}

# lab_kernel SUITE SPEC: the release that a name in lab/kernels.list means.
lab_kernel() {
	"$top/lab/kernels" --suite "$1" "$2"
}

# restore_config "SERVICES" "PIDS": what nvwa is to carry.
restore_config() {
	{
		echo "services:"
		# shellcheck disable=SC2086 # words are wanted
		[ -z "$1" ] || printf -- '- %s\n' $1
		echo "pids:"
		# shellcheck disable=SC2086
		[ -z "${2:-}" ] || printf -- '- %s\n' $2
	} | guest 'mkdir -p /etc/nvwa && cat >/etc/nvwa/nvwa-restore.yaml'
}

# when NAME: did an app go on before systemd started, in the last update, or after that?
when() {
	guest nvwa report --json | jq -r --arg name "$1" \
		'(.steps[] | select(.step == "systemd") | .end_ms) as $systemd |
		.apps[] | select(.name == $name) |
		if .end_ms < $systemd then "before" else "after" end'
}

# private_tmp UNIT: its private directories, which are those of this boot, and what it sees of them.
private_tmp() {
	guest "cd / && ls -d {,var/}tmp/systemd-private-*-$1.service-*/tmp |
		sed \"s/private-\$(tr -d - </proc/sys/kernel/random/boot_id)-/private-BOOT-/; s/-[^-]*\$//\"
		grep -c '//deleted' /proc/\$(systemctl show -P MainPID $1)/mountinfo" | paste -sd' '
}

no_splats() {
	ok "the console is free of splats" "$top/lab/splats"
}

# --- redis --------------------------------------------------------------------

# redis as Debian ships it, but that it listens on the network, keeps nothing
# on disk (what is there after an update was carried), and may be asked for its
# digest.
redis_start() {
	guest 'cat >>/etc/redis/redis.conf && systemctl start redis-server' <<-END ||
	bind * -::*
	protected-mode no
	save ""
	enable-debug-command local
	END
		give_up "redis starts"
	wait_until 60 redis_answers || give_up "redis answers"
}

redis_answers() {
	[ "$(redis ping)" = PONG ]
}

redis() {
	guest redis-cli --raw "$@"
}

# redis_fill MB
redis_fill() {
	in_net "$tests_dir/clients/fill.py" "$guest_ip" "$1" >"$out/keys" ||
		give_up "redis takes $1 MB of data"
}

# What must be the same redis before and after, as lines "name value". The nonce
# stands nowhere but in its memory, and the client's counter does not count.
redis_facts() {
	guest 'redis-cli del nvwa:incr >/dev/null
		echo "main_pid $(systemctl show -P MainPID redis-server)"
		redis-cli info server | tr -d "\r" | sed -n "s/^\(run_id\|process_id\):/\1 /p"
		echo "keys $(redis-cli dbsize)"
		echo "nonce $(redis-cli get nvwa:nonce)"
		echo "digest $(redis-cli debug digest)"'
}

# redis_note: remember how redis is, and start a client that counts.
redis_note() {
	redis set nvwa:nonce "$RANDOM-$RANDOM-$RANDOM" >/dev/null
	redis_facts >"$out/redis.before"
	incr_start
}

# redis_same: the client's answers went on, and it is the same redis.
redis_same() {
	ok "the client's answers go on" client_advances incr
	incr_result
	is "redis' counter is what the client was answered last" "$(redis get nvwa:incr)" \
		"$(jq -r .value "$out/incr.json")"
	redis_facts >"$out/redis.after"
	is "it is the same redis: PID, run id, keys, nonce, digest" \
		"$(cat "$out/redis.after")" "$(cat "$out/redis.before")"
}

# --- clients ------------------------------------------------------------------

in_net() {
	"$top/lab/netns" -- "$@"
}

# http_status PATH [ADDRESS PORT]: the number that the guest's web server answers with.
http_status() {
	in_net timeout 30 bash -c 'exec 3<>"/dev/tcp/$0/$2" &&
		printf "GET %s HTTP/1.0\r\n\r\n" "$1" >&3 && read -r _ status _ <&3 &&
		echo "$status"' "${2:-$guest_ip}" "$1" "${3:-80}"
}

declare -A client_pid=()

# client_start NAME CMD...: in the background, in the lab's network; its result
# is $out/NAME.json, its progress $out/NAME.progress.
client_start() {
	local name=$1
	shift
	rm -f "$out/$name.progress"
	# No function here: the process that $! names must be the client itself.
	"$top/lab/netns" -- "$@" --progress "$out/$name.progress" \
		>"$out/$name.json" 2>"$out/$name.err" &
	client_pid[$name]=$!
	wait_until 30 test -s "$out/$name.progress" ||
		give_up "the client $name starts" "$(cat "$out/$name.json" "$out/$name.err")"
}

# Keeps to itself how it ended: that is in its result.
client_stop() {
	local name=$1
	kill -TERM "${client_pid[$name]}" 2>/dev/null
	client_end "$name"
}

client_end() {
	wait "${client_pid[$1]}" 2>/dev/null
	unset "client_pid[$1]"
}

client_lives() {
	kill -0 "${client_pid[$1]}" 2>/dev/null
}

client_requests() {
	jq -r .requests "$out/$1.progress"
}

# client_advances NAME: more answers come, from now on.
client_advances() {
	local before
	before=$(client_requests "$1")
	wait_until 60 client_is_beyond "$1" "$before"
}

client_is_beyond() {
	[ "$(client_requests "$1")" -gt "$2" ]
}

stop_clients() {
	local name
	for name in "${!client_pid[@]}"; do
		client_stop "$name"
	done
}

incr_start() {
	client_start incr "$tests_dir/clients/incr.py" "$guest_ip" --rate 100
}

# Until its connection stalls, it asks as fast as it can.
incr_hurry() {
	[ -z "${client_pid[incr]:-}" ] || kill -USR1 "${client_pid[incr]}"
}

# Stop it and judge the answers that it got.
incr_result() {
	local file=$out/incr.json
	client_stop incr
	is "the client saw nothing lost, doubled or reset" \
		"$(jq -r '"\(.outcome) \(.lost) \(.doubled) \(.wrong_replies) \(.resets)"' "$file")" \
		"ok 0 0 0 0"
	is "its connection uses timestamps, SACK and window scaling" \
		"$(jq -r '.options | sort | join(" ")' "$file")" "sack timestamps wscale"
	diag "$(jq -r '"\(.requests) requests, longest stall \(.longest_stall_s) s after request \(.stall_after)"' "$file")"
}

# --- the update ---------------------------------------------------------------

# update_to RELEASE [OPTIONS...]: run nvwa update, and prove that it happened.
# Leaves the report in $out/status.json.
update_to() {
	local release=$1 old_id=- from boot status new
	shift
	from=$(guest_release)
	boot=$(guest_boot_id) || give_up "the guest tells its boot id"
	guest nvwa status --json >"$out/status-before.json" 2>/dev/null &&
		old_id=$(jq -r '.last.id // "-"' "$out/status-before.json")
	file_private=$(guest /root/guest/file-private) ||
		give_up "the guest tells what must be copied"
	incr_hurry
	guest "nvwa update $* $release" >"$out/update.log" 2>&1
	status=$?
	# 255: the connection went with the kernel. Anything else nvwa said itself.
	[ "$status" -eq 255 ] ||
		give_up "nvwa update $release goes through" "exit status $status:
$(cat "$out/update.log")"
	new=$("$top/lab/wait-boot" --deadline "$NVWA_TEST_DEADLINE" "$boot" 2>"$out/wait.log") ||
		give_up "another kernel starts" "$(cat "$out/wait.log" "$out/update.log")"
	pass "a new boot id: $new"
	is "the new kernel is $release" "$(guest_release)" "$release"
	wait_until "$NVWA_TEST_DEADLINE" update_settled ||
		give_up "the update settles" "$(guest 'nvwa status; systemctl --failed --no-pager;
			journalctl -b --no-pager -u "nvwa*" -o cat | tail -n 40')"
	is "the report is of this update" \
		"$(jq -r '"\(.last.from) \(.last.to)"' "$out/status.json")" "$from $release"
	ok "its nonce is a new one" jq -e --arg old "$old_id" \
		'.last.id | test("^[0-9a-f]{32}$") and . != $old' "$out/status.json"
	is "everything was resumed" "$(jq -r .last.outcome "$out/status.json")" resumed ||
		diag "$(jq .last.apps "$out/status.json")
$(guest 'systemctl --failed --no-pager; journalctl -b --no-pager -u "nvwa*" -o cat | tail -n 40')"
	is "what the update has left is for nobody but root" \
		"$(guest 'find /run/nvwa -mindepth 1 ! -type l -perm /077; stat -c %a /run/nvwa')" 711
	diag "$(jq -r '.last | "blackout \(.blackout_ms // 0 | floor) ms; pages: \(.pages | to_entries |
		map("\(.value) \(.key)") | join(", ")); phases in ms: \(.phases |
		map("\(.name) \(.ms | floor)") | join(", "))"' "$out/status.json")"
}

# It is the guest that waits: to be asked again and again keeps it from what it has to do.
update_settled() {
	guest 'for i in {1..20}; do
		if [ -e /run/nvwa/settled -o -e /run/nvwa/failed ]; then
			exec nvwa status --json
		fi
		sleep 0.5
	done
	false' >"$out/status.json"
}

# Every captured page is accounted for, and none was copied that the kernel would
# have taken in: all but what was changed of private mappings of files, some 200
# pages a process, and a few more as the programs run on until they are frozen.
pages_add_up() {
	ok "captured pages came back: inserted + copied = pinned + evacuated + unshared" \
		jq -e '.last.pages | .inserted + .copied == .pinned + .evacuated + .unshared' \
		"$out/status.json"
	ok "at least ${1:-1} pages were put back where they were, the very same frames" \
		jq -e --argjson least "${1:-1}" '.last.pages.inserted >= $least' "$out/status.json"
	ok "no more were copied than the $file_private changed ones of private file mappings" \
		jq -e --argjson changed "$file_private" '.last.pages.copied <= $changed + 16' \
		"$out/status.json"
}

# kaslr_note: after each update, where the kernel is.
kaslr_note() {
	guest /root/guest/kaslr >>"$out/kaslr" || give_up "the guest tells where its kernel is"
}

# After some updates. Two kernels in some 480 are at the same address by chance,
# and so may one be where it is linked; but not all of them.
kaslr_stayed_on() {
	diag "text, map of memory, place in memory: $(paste -sd, "$out/kaslr")"
	ok "the kernels are not all at the same address" \
		test "$(cut -d' ' -f1 "$out/kaslr" | sort -u | wc -l)" -gt 1
	# Where it is without KASLR, with page tables of four and of five levels.
	is "each kernel chose where its map of memory begins" \
		"$(cut -d' ' -f2 "$out/kaslr" | grep -vx -e ffff888000000000 -e ff11000000000000 |
			sort -u | wc -l)" "$(wc -l <"$out/kaslr")"
}
