# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2154 # the guest's shell expands; lib.sh sets
# Every kind of memory through an update from a debug kernel of the lab to the
# same one: KASAN, lockdep and the others say nothing, in neither kernel, and
# kmemleak finds nothing that the module lost. Sourced by the cases.
#
# The kinds are dealt to several guests, as all of them in one take over an hour there.
#
# usage: debug_kinds SUITE KERNEL GUEST GUESTS [KIND...]

# All of it takes several times as long as on an ordinary kernel.
: "${NVWA_TEST_DEADLINE:=5400}"
kinds_few=1
export NVWA_LAB_DEADLINE=${NVWA_LAB_DEADLINE:-1800}

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/memory-kinds.sh
. "$tests_dir/memory-kinds.sh"

# debug_make SUITE KERNEL: the kernel, and nvwa.ko for it; sets debug_release.
debug_make() {
	local kernel build
	kernel=$("$top/lab/debug-kernel" --suite "$1" "$2") || give_up "there is a debug kernel"
	debug_release=$(cat "$kernel/release")
	build=$top/build/kmod/$1-$debug_release
	mkdir -p "$build"
	"$top/lab/kbuild" --suite "$1" --debug --out "$build" "$2" "$top/kmod" >"$build.log" 2>&1 ||
		give_up "the module builds for $debug_release" "$(tail -n 30 "$build.log")"
	"$top/packaging/modules-deb" "$debug_release" "$build/kmod/nvwa.ko" "$out" >/dev/null ||
		give_up "there is a package of the module"
	extra_debs=("$kernel/linux.deb" "$out/nvwa-modules-${debug_release}"_*.deb)
}

# debug_watches WHEN: what looks for mistakes is there, and has not given up.
debug_watches() {
	ok "$1: KASAN, lockdep, kmemleak and page poisoning watch" guest '
		journalctl -k -b -o cat | grep -q "KernelAddressSanitizer initialized" &&
		grep -q "debug_locks: *1$" /proc/lockdep_stats &&
		head -c 1 /sys/kernel/debug/kmemleak >/dev/null &&
		grep -qw page_poison=1 /proc/cmdline'
}

# What kmemleak finds at the second look is not just on its way from one list to
# another. What of it is not the module's is none of our business, but is shown.
debug_leaks() {
	guest 'cd /sys/kernel/debug && echo scan >kmemleak && echo scan >kmemleak && cat kmemleak' \
		>"$out/kmemleak" || fail "kmemleak searches"
	ok "kmemleak: of $(grep -c '^unreferenced' "$out/kmemleak") leaks the module has none" \
		bash -c '! grep -i -B 30 -A 5 nvwa "$1"' bash "$out/kmemleak"
	[ ! -s "$out/kmemleak" ] || diag "$(head -n 40 "$out/kmemleak")"
}

# debug_share GUEST GUESTS [KIND...]: the kinds given; or those that this one of the guests has.
debug_share() {
	if [ $# -gt 2 ]; then
		printf '%s\n' "${@:3}"
	else
		kinds_all | awk -v guest="$1" -v guests="$2" 'NR % guests == guest % guests'
	fi
}

debug_kinds() {
	local kinds
	mapfile -t kinds < <(debug_share "${@:3}")
	debug_make "$1" "$2"
	# No panic_on_warn: a report is to be read, and looked for by lab/splats.
	# The guest's clock counts instructions, as such a kernel may spend all of a slow or busy
	# machine's time on its timer interrupts otherwise, and deadlines pass in the meantime.
	guest_up --suite "$1" --kernel "$2" --debug --memory 3072 --cpus 1 --accel icount \
		--cmdline "panic=-1 oops=panic" \
		--append "secretmem.enable=1 page_poison=1 page_table_check=on"
	guest 'echo "scratch_mb: 1024" >>/etc/nvwa/nvwa-server.yaml'
	# Stacks of kernel threads are larger, and so fewer are allowed; too few for one program.
	guest 'systemctl set-property --runtime ssh.service TasksMax=infinity'
	debug_watches "the old kernel"
	kinds_through "$debug_release" "$debug_release" "${kinds[@]}"
	debug_watches "the new kernel"
	debug_leaks
}
