#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two services at once: nginx streams a checksummed gigabyte over one
# connection through the update, redis answers on another.

# shellcheck disable=SC2016 # the guest's shell and jq expand
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

guest_up --suite trixie --kernel 6.12 --memory 2048 --cpus 2
redis_start
redis_fill 16
"$top/lab/push" "$tests_dir/clients/gigabyte.py" /root/
guest 'python3 /root/gigabyte.py 1024 >/var/www/html/gigabyte && sync &&
	systemctl start nginx' || give_up "nginx starts"
restore_config "redis-server nginx"
nginx_pids() {
	guest 'systemctl show -P MainPID nginx; cat /run/nginx.pid; pgrep -x nginx | sort -n'
}
nginx_before=$(nginx_pids)

redis_note
client_start download "$tests_dir/clients/download.py" "$guest_ip" /gigabyte --pace 1500000
download_is_beyond() {
	[ "$(jq -r .bytes "$out/download.progress")" -gt "$1" ]
}
wait_until 60 download_is_beyond 4000000 || give_up "the download starts"
before=$(jq -r .bytes "$out/download.progress")

update_to "$(lab_kernel trixie 7)"
pages_add_up 4096
resumed=$(jq -r .bytes "$out/download.progress")
ok "the stream goes on after the update (it had $before bytes before, $resumed now)" \
	wait_until 60 download_is_beyond $((resumed + 4000000))
kill -USR1 "${client_pid[download]}"
client_end download
is "the gigabyte is whole, and its checksum right" \
	"$(jq -r '"\(.outcome) \(.bytes) \(.sha256_ok) \(.resets)"' "$out/download.json")" \
	"ok 1073741824 true 0"
ok "part of it came after the update" \
	jq -e '.bytes_at_hurry < .expected_bytes' "$out/download.json"
diag "longest stall $(jq -r .longest_stall_s "$out/download.json") s"
is "nginx has its processes, and systemd knows them" "$(nginx_pids)" "$nginx_before"
is "nginx serves new connections" \
	"$(http_status /)" 200
redis_same
no_splats
done_testing
