#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two NUMA nodes: zones, nodes and blocks, and where the pages of programs lie.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

make -s -C "$tests_dir/workloads" || give_up "the workloads compile"
machine_ordinary trixie 7 --memory 2560 --cpus 2 --numa 2

guest_up --suite trixie --kernel 6.12 --memory 2560 --cpus 2 --numa 2
machine_settings
"$top/lab/push" "$top/build/tests/workloads/numa" /usr/local/bin/
# The kernel by itself moves pages to where they are read, also when it is told to stop after it
# has looked at them.
guest "echo 0 >/proc/sys/kernel/numa_balancing"
for name in placed bound; do
	guest "mkdir -p /var/lib/numa/$name
		setsid nohup numa /var/lib/numa/$name 256 $([ $name = placed ] || echo keep) \
			</dev/null >/dev/null 2>&1 &"
	wait_until 120 guest "test -e /var/lib/numa/$name/ready" ||
		give_up "the program $name gets to work"
done
pid_of() {
	guest "pgrep -f '^numa /var/lib/numa/$1 '"
}
placed=$(pid_of placed)
bound=$(pid_of bound)
# verify N: where the pages are that the program has placed.
verify() {
	guest "echo 0 >/proc/sys/kernel/numa_balancing"
	guest "kill -USR1 $placed" &&
		wait_until 120 guest "test -e /var/lib/numa/placed/result.$1" &&
		guest "cat /var/lib/numa/placed/result.$1"
}

restore_config "" "$bound"
like "a program with a NUMA policy of its own is refused" "$(guest nvwa check 2>&1)" \
	"refused: .*NUMA policy"
guest "kill $bound"
restore_config "" "$placed"
is "the pages are where the program has put them" "$(verify 1)" "65536 0 0"
update_to "$(lab_kernel trixie 7)"
pages_add_up 65536
machine_facts "$out/updated"
is "after the update they are there still" "$(verify 2)" "65536 0 0"
machine_same
no_splats
done_testing
