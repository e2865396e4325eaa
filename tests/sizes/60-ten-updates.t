#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Ten updates in a row, to and fro: memory stays as much as it was after the
# first, programs keep every byte and take as much memory as before, and what a
# program had comes back when it ends.

# shellcheck disable=SC2154 # lib.sh and memory-kinds.sh set
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/memory-kinds.sh
. "$tests_dir/memory-kinds.sh"

# Besides a redis: of each way that memory goes.
kinds=(anon4k thp memfd sysvshm threads)

guest_up --suite trixie --kernel 6.12 --memory 1792 --cpus 2
kinds_push
kinds_start "${kinds[@]}"
redis_start
redis_fill 192
pids=
for kind in "${kinds[@]}"; do
	pids+=" ${pid[$kind]:-}"
done
restore_config redis-server "$pids"
redis_note
redis_pid=$(guest pgrep -x redis-server)

# The memory that the kernel has, in kB.
total() {
	guest "sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"
}

# rss FILE: of the redis and of all others, children included.
rss() {
	guest "/root/guest/rss.py $redis_pid \$(for p in $pids; do echo \$p; pgrep -P \$p; done)" >"$1" ||
		give_up "the programs are there" "$(cat "$1")"
}

# rss_same BEFORE AFTER VERIFIED: of each, its own memory is what it was but for 64 kB: the vdso of the
# kernel before this one, and pages of code that CRIU has made a system call in. The program
# threads has less, as it ends one of its threads whenever it verifies. Of shared
# memory and of files no more is resident. Prints what differs.
rss_same() {
	join -a 1 -a 2 -e - -o 0,1.2,2.2,1.3,2.3,1.4,2.4 "$1" "$2" | awk \
		-v threads="${pid[threads]}" -v verified="$3" '
		{ least = $2 - 16 - ($1 == threads ? 12 * verified : 0) }
		$2 == "-" || $3 == "-" || $3 > $2 + 64 || $3 < least || $5 > $4 || $7 > $6 {
			print "PID " $1 ": own " $2 ", now " $3 "; shared " $4 ", now " $5 \
				"; files " $6 ", now " $7 " kB"
			wrong = 1
		}
		END { exit wrong || NR == 0 }'
}

new=$(lab_kernel trixie 7)
old=$(lab_kernel trixie 6.12)
rss "$out/rss.0"
for ((i = 1; i <= 10; i++)); do
	if [ $((i % 2)) -eq 1 ]; then
		update_to "$new"
	else
		update_to "$old"
	fi
	rss "$out/rss.$i"
	pages_add_up 49152
	is "update $i: the module holds nothing back" "$(guest nvwa status --json | jq -r '"\(.module) \(.held_pages)"')" \
		"idle 0"
	totals[i]=$(total)
	ok "update $i: every program takes the memory that it took before the first" \
		rss_same "$out/rss.0" "$out/rss.$i" $((i - 1))
	ok "the client's answers go on" client_advances incr
	guest "/root/guest/kinds verify $guest_dir $i ${kinds[*]}" >"$out/verified.$i"
	is "update $i: of the other programs every byte is what it was" \
		"$(while read -r kind result; do
			echo "$kind $(jq -r '"\(.bad_bytes) \(.errors)"' <<<"$result")"
		done <"$out/verified.$i")" "$(printf '%s 0 0\n' "${kinds[@]}")"
done
diag "MemTotal in kB after each update: ${totals[*]}"
diag "own memory of each process in kB, before the first update and after each:
$(cut -d' ' -f1-2 "$out"/rss.0 | while read -r p _; do
	echo "$p: $(sed -s -n "s/^$p \([0-9]*\) .*/\1/p" "$out"/rss.{0..10} | tr '\n' ' ')"
done)"
# Each kernel has a size of its own: compare the same one.
for ((i = 3; i <= 10; i++)); do
	first=${totals[2 - i % 2]}
	ok "update $i: MemTotal ${totals[i]} kB is within 0.1 % of $first kB" \
		test "$(((totals[i] - first) * 1000 / first))" -eq 0
done
redis_same

# Free memory without caches, in kB, before and after all programs end.
free_now() {
	guest "sync; echo 3 >/proc/sys/vm/drop_caches
		sed -n 's/^MemFree: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"
}
held=$(awk '{ sum += $2 } END { print sum }' "$out/rss.10")
before=$(free_now)
guest systemctl stop redis-server
kinds_stop "${kinds[@]}"
wait_until 60 guest "! ls -d /proc/[0-9]* | grep -qxE '/proc/($redis_pid${pids// /|})'"
after=$(free_now)
diag "the programs had $held kB; free before they ended $before kB, afterwards $after kB"
ok "all of their memory is free again" test $((after - before)) -ge $((held - held / 50))
no_splats
done_testing
