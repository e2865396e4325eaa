#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# redis as Debian ships it, with a client connected from outside, goes from
# 6.12 to the newest 7.x. Also the short run ("smoke").

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

guest_up --suite trixie --kernel 6.12 --memory 1536 --cpus 2
redis_start
redis_fill 64
restore_config redis-server

redis_note
update_to "$(lab_kernel trixie 7)"
pages_add_up 16384
redis_same
no_splats
done_testing
