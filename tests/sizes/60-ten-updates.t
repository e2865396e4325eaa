#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Ten updates in a row, to and fro: memory stays as much as it was after the
# first, and what a program had comes back when it ends.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/machine.sh
. "$tests_dir/machine.sh"

guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2
redis_start
redis_fill 192
restore_config redis-server
redis_note

# The memory that the kernel has, in kB.
total() {
	guest "sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"
}

new=$(lab_kernel trixie 7)
old=$(lab_kernel trixie 6.12)
for ((i = 1; i <= 10; i++)); do
	if [ $((i % 2)) -eq 1 ]; then
		update_to "$new"
	else
		update_to "$old"
	fi
	pages_add_up 49152
	is "update $i: the module holds nothing back" "$(guest nvwa status --json | jq -r '"\(.module) \(.held_pages)"')" \
		"idle 0"
	totals[i]=$(total)
	ok "the client's answers go on" client_advances incr
done
diag "MemTotal in kB after each update: ${totals[*]}"
# Each kernel has a size of its own: compare the same one.
for ((i = 3; i <= 10; i++)); do
	first=${totals[2 - i % 2]}
	ok "update $i: MemTotal ${totals[i]} kB is within 0.1 % of $first kB" \
		test "$(((totals[i] - first) * 1000 / first))" -eq 0
done
redis_same

# Free memory without caches, in kB, before and after a program with 192 MB ends.
free_now() {
	guest "sync; echo 3 >/proc/sys/vm/drop_caches
		sed -n 's/^MemFree: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"
}
pid=$(guest pgrep -x redis-server)
held=$(guest "sed -n 's/^RssAnon:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pid/status")
before=$(free_now)
guest systemctl stop redis-server
after=$(free_now)
diag "RssAnon $held kB; free before the program ended $before kB, afterwards $after kB"
ok "all of its memory is free again" test $((after - before)) -ge $((held - held / 50))
no_splats
done_testing
