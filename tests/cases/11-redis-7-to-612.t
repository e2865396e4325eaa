#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The other way: from the newest 7.x back to 6.12, over IPv6 this time, in a guest in
# which nvwa was installed while it ran.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

guest_ip=fd77::2
guest_boot --suite trixie --kernel 7 --memory 1536 --cpus 2
ok "the packages are installed" guest_install trixie
redis_start
redis_fill 64
restore_config redis-server

redis_note
update_to "$(lab_kernel trixie 6.12)"
pages_add_up 16384
redis_same
no_splats
done_testing
