#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# There, back, and there again, each from where the one before ended, with one
# client connected throughout. nvwa is installed as the README says.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

new=$(lab_kernel trixie 7)
old=$(lab_kernel trixie 6.12)
guest_dkms=1
guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2
guest_has_dkms
redis_start
redis_fill 64
restore_config redis-server
ok "nvwa check finds nothing against it" guest nvwa check "$new"

redis_note
for release in "$new" "$old" "$new"; do
	update_to "$release"
	pages_add_up 16384
	ok "the client's answers go on" client_advances incr
	kaslr_note
done
kaslr_stayed_on
redis_same
no_splats
done_testing
