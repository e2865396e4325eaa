# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2154 # the guest's shell and jq expand; lib.sh sets
# Every kind of memory through an update, all at once in one guest: those that
# are carried are verified byte by byte and take no more memory than before;
# of the others "nvwa check" says why not, and who holds them. Sourced by the
# cases, after lib.sh.
#
# usage: memory_kinds SUITE FROM TO [KIND...]

# shellcheck source=tests/kinds.sh
. "$tests_dir/kinds.sh"

# What memory_kinds_prepare() gives the guest.
guest_has="root swap ksm hugepages secretmem devmem pku slowdisk"
guest_dir=/var/lib/kinds

kinds_push() {
	make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
	"$top/lab/push" "$top/build/tests/workloads/" /usr/local/lib/workloads >/dev/null ||
		give_up "the workloads are in the guest"
}

memory_kinds_prepare() {
	guest 'set -e
		fallocate -l 128M /swapfile
		chmod 600 /swapfile
		mkswap -q /swapfile
		swapon /swapfile
		echo 10000 >/sys/kernel/mm/ksm/pages_to_scan
		echo 1 >/sys/kernel/mm/ksm/run
		echo 8 >/proc/sys/vm/nr_hugepages
		# Half a second for each request.
		modprobe null_blk nr_devices=1 gb=1 irqmode=2 completion_nsec=500000000' >"$out/prepare.log" 2>&1 ||
		give_up "the guest is prepared" "$(cat "$out/prepare.log")"
	kinds_push
}

# kinds_start KIND...: all at once. Their PIDs are in pid[KIND].
declare -A pid
kinds_start() {
	local kind line
	for kind; do
		echo "$kind /usr/local/lib/workloads/$(kind_program "$kind")" \
			"$(kind_arguments "$kind")"
	done | guest "/root/guest/kinds start $guest_dir" >"$out/ready"
	while read -r kind line; do
		pid[$kind]=$(jq -r '.pid // empty' <<<"$line")
		[ -n "${pid[$kind]}" ] || fail "$kind: the program gets ready" "$line"
	done <"$out/ready"
}

kinds_stop() {
	guest "/root/guest/kinds stop $guest_dir $*"
}

# kinds_config KIND...: these are to be carried.
kinds_config() {
	local kind pids=
	for kind; do
		pids+=" ${pid[$kind]:-}"
	done
	restore_config "" "$pids"
}

# kinds_refused RELEASE KIND...: the check says of each why, and who.
kinds_refused() {
	local kind release=$1 said
	shift
	kinds_config "$@"
	guest "nvwa check --json $release" >"$out/check-refused.json"
	for kind; do
		[ -n "${pid[$kind]:-}" ] || continue
		said=$(jq -r --arg app "pid-${pid[$kind]}" \
			'.reasons[] | select(.fatal and .app == $app) | .text' \
			"$out/check-refused.json")
		like "$kind: the check refuses it, with its holder and the reason" "$said" \
			"Process ${pid[$kind]} \(.*\) $(kind_get "$kind" says)"
		[ -z "$said" ] || diag "$said"
	done
}

# Of the JSON of a program, in kB and summed up: its own memory; what of the others it has.
rss_filter='def own(f): [.processes[] | f | .Anonymous + .Swap] | add;
	def shared(f): [.processes[] | f | .RssShmem] | add;'

# kind_verified KIND RESULT
kind_verified() {
	local kind=$1 result=$2 grows memory
	is "$kind: every byte is what it was" \
		"$(jq -r '"\(.bad_bytes) \(.first_bad) \(.errors) \(.first_error)"' <<<"$result" 2>&1)" \
		"0  0 " || diag "$result"
	memory=$(jq -r "$rss_filter"' "\(own(.ready)) \(own(.now)) \(shared(.ready)) \(
		shared(.now)) \([.processes[].ready.AnonHugePages] | add) \(
		[.processes[].now.AnonHugePages] | add) \(.pages)"' <<<"$result" 2>/dev/null)
	[ -n "$memory" ] || return
	grows=$(kind_get "$kind" grows)
	# shellcheck disable=SC2086 # words are wanted
	set -- $memory
	ok "$kind: it takes the memory that it took: $1 kB, now $2 kB; shared $3 kB, now $4 kB" \
		test "$(($2 - $1))" -ge -16 -a "$(($2 - $1))" -le "${grows:-64}" -a "$4" -le "$3"
	diag "$kind: $7 pages verified; huge pages: $5 kB, now $6 kB; facts $(jq -c .facts <<<"$result")"
}

kinds_verify() {
	local kind result
	guest "/root/guest/kinds verify $guest_dir 1 $*" >"$out/verified"
	for kind; do
		result=$(sed -n "s/^$kind //p" "$out/verified")
		kind_verified "$kind" "$result"
	done
}

memory_kinds() {
	local from to
	from=$(lab_kernel "$1" "$2")
	to=$(lab_kernel "$1" "$3")
	guest_up --suite "$1" --kernel "$2" --memory 2560 --cpus 2 --append secretmem.enable=1
	kinds_through "$from" "$to" "${@:4}"
}

# kinds_through FROM TO [KIND...]: the same in the guest that is up.
kinds_through() {
	local from=$1 to=$2 kind carried=() refused=() predicted force=()
	[ "$from" != "$to" ] || force=(--force)
	for kind in $(kinds_on "$from" "$guest_has" "${@:3}"); do
		if [ "$(kind_get "$kind" result)" = refused ]; then
			refused+=("$kind")
		else
			carried+=("$kind")
		fi
	done
	memory_kinds_prepare
	kinds_start "${refused[@]}" "${carried[@]}"
	kinds_refused "$to" "${refused[@]}"
	kinds_stop "${refused[@]}"
	kinds_config "${carried[@]}"
	guest "nvwa check --json ${force[*]} $to" >"$out/check.json"
	ok "nothing stands against the others" jq -e .ok "$out/check.json" ||
		give_up "they can be carried" "$(cat "$out/check.json")"
	diag "$(jq -r '.reasons[].text' "$out/check.json")"
	predicted=$(jq -r .shared_pages "$out/check.json")
	update_to "$to" "${force[@]}"
	ok "captured pages came back: inserted + copied = pinned + evacuated + unshared" \
		jq -e '.last.pages | .inserted + .copied == .pinned + .evacuated + .unshared' \
		"$out/status.json"
	# Never more than that. A few less may be, as KSM and swapping go on until the freeze.
	ok "the check predicted what is held several times: $predicted pages" \
		jq -e --argjson p "$predicted" '.last.pages.unshared | . <= $p * 1.01 + 64 and
			. >= $p * 0.95 - 64' "$out/status.json"
	kinds_verify "${carried[@]}"
	no_splats
}
