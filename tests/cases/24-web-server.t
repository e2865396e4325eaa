#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What many a web server is made of, carried together, there and back: PostgreSQL, nginx, HAProxy (of which
# a process has another root directory) in front of it, PHP (with shared memory that is code) behind it,
# MariaDB with a table in memory. Clients outside have one connection each, which stays open. One more
# program watches its clocks.

# shellcheck disable=SC2016,SC2034 # the guest's shell expands; lib.sh reads extra_debs
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

cluster=postgresql@17-main

php=php8.4-fpm
services="$cluster nginx haproxy $php mariadb"

# Processes, and the files that name them, which not all of their units know.
facts() {
	guest "cd /run && grep . php/*.pid mysqld/*.pid postgresql/*.pid postgresql/.s.*.lock
		ps -o pid=,args= -C postgres,nginx,haproxy,php-fpm8.4,mariadbd | grep -v autovacuum.worker |
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
	client_start php "$tests_dir/clients/steady.py" http "$guest_ip" --port 8080 --path /steady.php
	facts >"$out/facts.before"
	looks=$(guest 'cut -d" " -f1 /root/clock')
	update_to "$1"
	is "all went on before systemd started" \
		"$(for app in $services; do when "$app.service"; done | paste -sd' ') $(when "pid-$clock")" \
		"before before before before before before"
	ok "SQL goes on" client_advances sql
	ok "HTTP goes on" client_advances http
	ok "PHP goes on" client_advances php
	facts >"$out/facts.after"
	client_stop sql
	client_stop http
	client_stop php
	ok "the program with the clocks goes on" wait_until 30 clock_runs "$((looks + 100))"
	read -r _ wrong worst <<<"$(guest cat /root/clock)"
	is "no clock of it ever went back, or was off by seconds (at most $worst ms)" "$wrong" 0
	ok "the same processes run, with their pid files" diff "$out/facts.before" "$out/facts.after"
	is "no statement was lost or carried out twice" "$(jq -r .outcome "$out/sql.json")" ok
	is "and PostgreSQL has what it answered" \
		"$(guest "su postgres -c 'psql -qtAc \"SELECT count(*), max(i) FROM numbers\"'")" \
		"$(jq -r '"\(.last)|\(.last)"' "$out/sql.json")"
	is "no page was lost or wrong" "$(jq -r .outcome "$out/http.json" "$out/php.json" | paste -sd' ')" "ok ok"
	is "MariaDB has what was in memory only" "$(guest "mariadb -Ne 'SELECT count(*), sum(i) FROM test.numbers'")" \
		"3	6"
	diag "$(jq -r '"\(.requests) requests, longest stall \(.longest_stall_s) s"' \
		"$out/sql.json" "$out/http.json" "$out/php.json")"
}

extra_debs=(postgresql haproxy php-fpm mariadb-server)
guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
guest "cd /etc/postgresql/17/main && echo \"listen_addresses = '*'\" >conf.d/test.conf &&
	echo 'host all all 10.77.0.0/24 trust' >>pg_hba.conf &&
	head -c 65536 /dev/urandom >/var/www/html/file &&
	sed -i '/keepalive_/d; s/^http {/&\n\tkeepalive_timeout 1h;\n\tkeepalive_requests 1000000;/' /etc/nginx/nginx.conf &&
	systemctl restart $cluster && systemctl restart nginx" >/dev/null 2>&1 ||
	give_up "PostgreSQL and nginx run" "$(guest systemctl --failed)"
guest "echo '<?php echo str_repeat(\"steady \", 1000);' >/var/www/html/steady.php &&
	sed -i 's/^listen = .*/listen = 127.0.0.1:9000/' /etc/php/*/fpm/pool.d/www.conf &&
	printf '[mariadb]\ninnodb_use_native_aio=OFF\n' >/etc/mysql/mariadb.conf.d/99-test.cnf &&
	cat >/etc/nginx/sites-enabled/php && cat >>/etc/haproxy/haproxy.cfg <<-EOF &&
		frontend all
		    bind *:8080
		    default_backend one
		backend one
		    server one 127.0.0.1:8000
	EOF
	systemctl restart $php mariadb nginx haproxy &&
	mariadb -e 'CREATE DATABASE test; CREATE TABLE test.numbers (i int) ENGINE=memory;
		INSERT INTO test.numbers VALUES (1), (2), (3)'" >"$out/web.log" 2>&1 <<-'EOF' ||
	server {
		listen 8000;
		root /var/www/html;
		location ~ [.]php$ {
			include snippets/fastcgi-php.conf;
			fastcgi_pass 127.0.0.1:9000;
		}
	}
	EOF
	give_up "HAProxy, PHP and MariaDB run" "$(cat "$out/web.log")"
clock=$(guest 'echo 20000 >/proc/sys/kernel/ns_last_pid
	setsid /root/guest/clock.py /root/clock </dev/null >/dev/null 2>&1 & echo $!')
restore_config "$services" "$clock"
updated "$(lab_kernel trixie 7)"
updated "$(lab_kernel trixie 6.12)"
ok "all can be told to reload" guest "systemctl reload $cluster nginx haproxy $php"
ok "all can be stopped and started" guest "systemctl restart $services"
no_splats
done_testing
