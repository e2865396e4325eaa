#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Debian 12, with its own CRIU: from a 6.1 to a newer 6.1, and on to 6.12, with TCP connections in
# every state. nvwa is installed as the README says.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/halfclosed.sh
. "$tests_dir/halfclosed.sh"

guest_dkms=1
guest_up --suite bookworm --kernel 6.1-old --memory 1536 --cpus 2
guest_has_dkms
redis_start
redis_fill 64
halfclosed_push
half=$(guest 'echo 20000 >/proc/sys/kernel/ns_last_pid
	setsid halfclosed 9100 eth0 </dev/null >/dev/null 2>&1 & echo $!')
restore_config redis-server "$half"
ok "nvwa check finds nothing against it" guest nvwa check "$(lab_kernel bookworm 6.1)"

redis_note
for spec in 6.1 6.12; do
	halfclosed_connect 9100
	update_to "$(lab_kernel bookworm "$spec")"
	pages_add_up 16384
	is "the service went on before systemd started" "$(when redis-server.service)" before
	ok "the client's answers go on" client_advances incr
	halfclosed_came_through
	is "nothing has removed its private directories, and those of other boots are gone" \
		"$(private_tmp redis-server)" "tmp/systemd-private-BOOT-redis-server.service var/tmp/systemd-private-BOOT-redis-server.service 0"
	kaslr_note
done
kaslr_stayed_on
redis_same
no_splats
done_testing
