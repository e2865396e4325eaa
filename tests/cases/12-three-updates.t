#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# There, back, and there again, each from where the one before ended, with one
# client connected throughout.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

new=$(lab_kernel trixie 7)
old=$(lab_kernel trixie 6.12)
guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2
redis_start
redis_fill 64
restore_config redis-server

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
