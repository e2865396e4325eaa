#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# After an update nothing tells redis' unit from before: to systemd, to the
# journal, in its privileges and mounts, in its files, in the machine's clock
# and memory. Then it restarts and stops, and a reboot leaves no trace.

# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

main_pid() {
	guest systemctl show -P MainPID redis-server
}

# compare TEXT NAME: $out/NAME.before and $out/NAME.after are the same.
compare() {
	ok "$1" diff -U0 "$out/$2.before" "$out/$2.after"
}

# The guest's clock less this machine's, in ms, and how far that can be wrong; one
# ssh takes a while, so the quickest of three.
clock_offset() {
	local best=999999 t0 there t1
	for _ in 1 2 3; do
		t0=$(date +%s%3N)
		there=$(guest date +%s%3N)
		t1=$(date +%s%3N)
		if [ $((t1 - t0)) -lt "$best" ]; then
			best=$((t1 - t0))
			offset=$((there - (t0 + t1) / 2))
			offset_doubt=$((best / 2))
		fi
	done
}

# Files that belong to the unit or to everybody: content, owner, mode, time.
files() {
	guest "pid=$1; cd /proc/\$pid/root && stat -c '%n %U:%G %a %s %Y' tmp/of-redis \
		var/tmp/of-redis run/redis/of-redis /tmp/of-all && sha256sum tmp/of-redis \
		var/tmp/of-redis run/redis/of-redis /tmp/of-all"
}

memory() {
	guest 'lsmem -b -n -r -o RANGE,STATE | sort'
}
mem_total() {
	guest "awk '/^MemTotal/ { print \$2 }' /proc/meminfo"
}

# take WHEN: all that is compared.
take() {
	local pid
	pid=$(main_pid)
	guest /root/guest/service-facts redis-server >"$out/unit.$1"
	guest "/root/guest/facts.py $pid" >"$out/facts.$1"
	files "$pid" >"$out/files.$1" 2>&1
	memory >"$out/memory.$1"
	guest 'findmnt -n -l -b -t tmpfs -o TARGET,SIZE | grep -v credentials | sort' >"$out/tmpfs.$1"
}

guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2
# Its lines go to the journal, and it is started at every boot.
guest "sed -i 's/^logfile .*/logfile \"\"/' /etc/redis/redis.conf &&
	systemctl -q enable redis-server"
redis_start
redis_fill 32
restore_config redis-server
pid=$(main_pid)
# By the program's own user, in what is private to its unit.
guest "for dir in tmp var/tmp run/redis; do
		head -c 100000 /dev/urandom >/proc/$pid/root/\$dir/of-redis
		chown redis:redis /proc/$pid/root/\$dir/of-redis
		chmod 640 /proc/$pid/root/\$dir/of-redis
	done
	head -c 3000000 /dev/urandom >/tmp/of-all; chmod 604 /tmp/of-all"
take before
clock_offset
offset_before=$offset
doubt=$offset_doubt
total_before=$(mem_total)
date_before=$(guest date +%s%N)

redis_note
update_to "$(lab_kernel trixie 7)"
redis_same

ok "CLOCK_REALTIME did not go back" test "$(guest date +%s%N)" -gt "$date_before"
clock_offset
drift=$((offset - offset_before))
doubt=$((doubt + offset_doubt))
ok "CLOCK_REALTIME is right to half a second (it moved by $drift ms against ours, +-$doubt)" \
	test "${drift#-}" -le $((500 + doubt))
take after
# systemd derives it from the kernel's limit of threads, which is the same to a percent.
tasks_max() {
	sed -n 's/^TasksMax=//p' "$out/unit.$1"
}
before=$(tasks_max before)
if awk -v a="$before" -v b="$(tasks_max after)" 'BEGIN { d = a - b; exit !(d * d <= a * a / 1e4) }'; then
	sed -i "s/^TasksMax=.*/TasksMax=$before/" "$out/unit.after"
fi
compare "systemd sees the service as before" unit
# Known to differ until the service is restarted: it leaves the user namespace of
# PrivateUsers=, CRIU gives it a time namespace, and makes its sockets as root.
is "it runs in the user namespace of init, as the check had said" \
	"$(grep '^namespace user' "$out/facts.after")" "namespace user: init's"
cp "$out/facts.before" "$out/facts.first"
sed -i -E '/^namespace (user|time|time_for_children):/d; s/^(listen .*): uid .*/\1/' \
	"$out/facts.before" "$out/facts.after"
compare "credentials, capabilities, seccomp, limits, mounts and descriptors are as before" facts
mv "$out/facts.first" "$out/facts.before"
compare "the files in /tmp, its private tmp and its runtime directory are there" files
compare "the same memory is online" memory
compare "every tmpfs has its size" tmpfs
total=$(mem_total)
ok "MemTotal is not lower by more than 1 % ($total_before, $total kB)" \
	test "$total" -ge $((total_before * 99 / 100))
like "systemctl status says active, with that PID" \
	"$(guest systemctl status --no-pager redis-server | tr '\n' ' ')" \
	"Active: active \(running\).*Main PID: $pid \(redis-server\)"

mark=line-$RANDOM-$RANDOM
redis debug log "$mark" >/dev/null
journal() {
	guest "journalctl -b --no-pager -u redis-server -o json | grep -F '$mark'" >"$out/journal.json"
}
ok "what it logs reaches the journal" wait_until 30 journal
is "under its own name, unit and PID" \
	"$(jq -r '"\(.SYSLOG_IDENTIFIER) \(._SYSTEMD_UNIT) \(._PID)"' "$out/journal.json")" \
	"redis-server redis-server.service $pid"

ok "systemctl restart works" guest systemctl restart redis-server
wait_until 60 redis_answers || fail "redis answers after the restart"
fresh=$(main_pid)
ok "and makes a fresh process" test "$fresh" -ne "$pid" -a "$fresh" -gt 1
guest "/root/guest/facts.py $fresh" >"$out/facts.after"
# By number, these two differ for every process. Two limits are what the new kernel
# makes of the RAM, to within a percent what the old one made of it.
limits() {
	sed -n 's/^limit Max \(pending signals\|processes\): \([0-9]*\) .*/\2/p' "$out/facts.$1" |
		paste -sd' '
}
ok "its limits of processes and signals are those of the machine ($(limits before), $(limits after))" \
	awk -v before="$(limits before)" -v after="$(limits after)" 'BEGIN {
		n = split(before, b); if (n != 2 || split(after, a) != 2) exit 1
		for (i in b) if (a[i] < b[i] * 0.99 || a[i] > b[i] * 1.01) exit 1 }'
sed -i -E '/^status (NS)?[Tt]gid/d; /^limit Max (pending signals|processes):/d' \
	"$out/facts.before" "$out/facts.after"
compare "with the same privileges and mounts" facts
ok "systemctl stop works" guest systemctl stop redis-server
is "and leaves it inactive, with no process" \
	"$(guest 'systemctl show -P ActiveState redis-server; pgrep -x redis-server')" inactive

boot=$(guest_boot_id)
guest systemctl reboot >/dev/null 2>&1
ok "an ordinary reboot works" "$top/lab/wait-boot" "$boot"
wait_until 120 redis_answers || fail "redis is started by it"
guest /root/guest/service-facts redis-server >"$out/unit.after"
sed -i '/^MainPID=/d; /^processes /d' "$out/unit.before" "$out/unit.after"
compare "and leaves nothing of nvwa in the unit" unit
is "nor in /run" "$(guest 'ls -d /run/nvwa /run/systemd/generator*/redis* 2>/dev/null')" ""
no_splats
done_testing
