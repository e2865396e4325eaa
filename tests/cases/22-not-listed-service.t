#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Services that are not in the list are not carried, and not lost either: they
# are stopped in good order and freshly started, whether they are started at
# every boot or were by hand.

# shellcheck disable=SC2016 # the guest's shell expands
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

guest_up --suite trixie --kernel 6.12 --memory 1280 --cpus 2
redis_start
redis_fill 16
restore_config redis-server
guest 'cat >/etc/systemd/system/by-hand.service <<-END
		[Service]
		ExecStart=sleep infinity
		ExecStop=touch /var/lib/by-hand.stopped
		END
	systemctl daemon-reload; systemctl -q enable nginx
	systemctl start nginx by-hand' || give_up "the services start"
pids() {
	guest 'systemctl show -P MainPID nginx; systemctl show -P MainPID by-hand'
}
before=$(pids)

redis_note
update_to "$(lab_kernel trixie 7)"
redis_same
for service in nginx by-hand; do
	ok "$service runs" wait_until 60 guest systemctl is-active $service
done
after=$(pids)
ok "nginx is a fresh process" test "$(head -n 1 <<<"$after")" != "$(head -n 1 <<<"$before")"
ok "by-hand is a fresh process" test "$(tail -n 1 <<<"$after")" != "$(tail -n 1 <<<"$before")"
ok "by-hand was stopped in good order" guest test -e /var/lib/by-hand.stopped
is "nginx answers" "$(http_status /)" 200
no_splats
done_testing
