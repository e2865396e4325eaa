#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# PostgreSQL and nginx, both with several processes, are carried together, there and back. Each has one
# client outside, whose only connection stays open. A third program watches its clocks.

# shellcheck disable=SC2016,SC2034 # the guest's shell expands; lib.sh reads extra_debs
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

cluster=postgresql@17-main

facts() {
	guest "ps -o pid=,args= -C postgres,nginx | grep -v autovacuum.worker |
		sed 's/ idle.*//; s/ INSERT.*//' | sort -n"
}

# clock_runs LOOKS: the program has looked more often than that.
clock_runs() {
	[ "$(guest 'cut -d" " -f1 /root/clock')" -gt "$1" ]
}

# updated RELEASE: under both clients, which see nothing of it.
updated() {
	guest "su postgres -c 'psql -qc \"DROP TABLE IF EXISTS numbers\" -c \"CREATE TABLE numbers (i int PRIMARY KEY)\"'"
	client_start sql "$tests_dir/clients/steady.py" sql "$guest_ip"
	client_start http "$tests_dir/clients/steady.py" http "$guest_ip"
	facts >"$out/facts.before"
	looks=$(guest 'cut -d" " -f1 /root/clock')
	update_to "$1"
	is "all went on before systemd started" \
		"$(for app in $cluster.service nginx.service "pid-$clock"; do when "$app"; done | paste -sd' ')" \
		"before before before"
	ok "SQL goes on" client_advances sql
	ok "HTTP goes on" client_advances http
	facts >"$out/facts.after"
	client_stop sql
	client_stop http
	ok "the program with the clocks goes on" wait_until 30 clock_runs "$((looks + 100))"
	read -r _ wrong worst <<<"$(guest cat /root/clock)"
	is "no clock of it ever went back, or was off by seconds (at most $worst ms)" "$wrong" 0
	ok "the same processes run" diff "$out/facts.before" "$out/facts.after"
	is "no statement was lost or carried out twice" "$(jq -r .outcome "$out/sql.json")" ok
	is "and PostgreSQL has what it answered" \
		"$(guest "su postgres -c 'psql -qtAc \"SELECT count(*), max(i) FROM numbers\"'")" \
		"$(jq -r '"\(.last)|\(.last)"' "$out/sql.json")"
	is "no page was lost or wrong" "$(jq -r .outcome "$out/http.json")" ok
	diag "$(jq -r '"\(.requests) requests, longest stall \(.longest_stall_s) s"' \
		"$out/sql.json" "$out/http.json")"
}

extra_debs=(postgresql)
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
guest "cd /etc/postgresql/17/main && echo \"listen_addresses = '*'\" >conf.d/test.conf &&
	echo 'host all all 10.77.0.0/24 trust' >>pg_hba.conf &&
	head -c 65536 /dev/urandom >/var/www/html/file &&
	sed -i '/keepalive_/d; s/^http {/&\n\tkeepalive_timeout 1h;\n\tkeepalive_requests 1000000;/' /etc/nginx/nginx.conf &&
	systemctl restart $cluster && systemctl restart nginx" >/dev/null 2>&1 ||
	give_up "PostgreSQL and nginx run" "$(guest systemctl --failed)"
clock=$(guest 'echo 20000 >/proc/sys/kernel/ns_last_pid
	setsid /root/guest/clock.py /root/clock </dev/null >/dev/null 2>&1 & echo $!')
restore_config "$cluster nginx" "$clock"
updated "$(lab_kernel trixie 7)"
updated "$(lab_kernel trixie 6.12)"
ok "PostgreSQL can be stopped and started" guest "systemctl restart $cluster"
no_splats
done_testing
