#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# For comparison: the same workloads through stock CRIU, dump and restore in
# one kernel, without nvwa. What CRIU cannot do is not nvwa's to mend; what it
# is known to do is written in the .desc files, and this holds them to it.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/memory-kinds.sh
. "$tests_dir/memory-kinds.sh"

release=$(lab_kernel trixie 6.12)
mapfile -t kinds < <(kinds_on "$release" "$guest_has" "$@")
make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
guest_up --suite trixie --kernel 6.12 --memory 2560 --cpus 2 --append secretmem.enable=1
memory_kinds_prepare
kinds_start "${kinds[@]}"
guest "/root/guest/stock-kinds $guest_dir ${kinds[*]}" >"$out/stock"

# What became of it: refused, failed (to restore), wrong, or carried.
outcome() {
	case "$1 $2" in
	"dumped no") echo refused ;;
	"restored no") echo failed ;;
	*) jq -r 'if .bad_bytes == 0 and .errors == 0 then "carried" else "wrong" end' <<<"$3" ;;
	esac
}

diag "kind outcome own memory before and after in kB, shared memory, what is wrong"
for kind in "${kinds[@]}"; do
	read -r _ verb done_ json < <(grep "^$kind " "$out/stock")
	got=$(outcome "$verb" "$done_" "$json" 2>&1)
	is "$kind: stock CRIU: $got" "$got" "$(kind_get "$kind" stock)"
	diag "$kind $got $(jq -r "$rss_filter"' .criu // "\(own(.ready)) \(own(.now)) \(
		shared(.ready)) \(shared(.now)) \(.first_bad) \(.first_error)"' <<<"$json" 2>&1)"
done
done_testing
